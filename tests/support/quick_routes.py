"""Tests make the web application hundreds of times: the builder of a rule's URLs is compiled when the first URL of that rule is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from werkzeug.routing import Rule

_Builder = Callable[..., tuple[str, str]]
_compile: Callable[[Rule, bool], _Builder] = Rule._compile_builder


def compile_routes_when_needed() -> None:
    """From now on, in this process. Werkzeug compiles two for each rule at once, 70 ms for all of ours."""
    setattr(Rule, "_compile_builder", _later)  # noqa: B010  # a method is put in the place of another


def _later(rule: Rule, append_unknown: bool = True) -> Any:
    compiled: list[_Builder] = []

    def build(self: Rule, **values: Any) -> tuple[str, str]:
        if not compiled:
            compiled.append(_compile(rule, append_unknown))
        return compiled[0](self, **values)

    return build
