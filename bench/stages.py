"""Where the time of a request goes: functions are watched, and what passes is put down to the innermost of them that runs."""

from __future__ import annotations

import functools
import importlib
import statistics
import time
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, settrace

OUTSIDE = "the loop, the database's answer"


class Stages:
    """Watches the calling thread's CPU. A task that gives way takes its place with it: what runs meanwhile is not its own."""

    def __init__(self) -> None:
        self.requests: list[dict[str, int]] = []
        self.calls: dict[str, int] = {}
        self._spent: dict[str, int] = {}
        self._stacks: dict[Any, list[str]] = {}
        self._stack = self._stacks.setdefault(getcurrent(), [OUTSIDE])
        self._since = time.thread_time_ns()
        settrace(self._switched)

    def watch(self, label: str, place: str) -> None:
        """`place` is `module:function` or `module:Class.method`, where it is called from."""
        module, _, path = place.partition(":")
        owner: Any = importlib.import_module(module)
        *outer, name = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        self.calls.setdefault(label, 0)
        setattr(owner, name, self._timed(label, getattr(owner, name)))

    def next(self) -> None:
        """Another request begins."""
        self._mark()
        self.requests.append(self._spent)
        self._spent = {}

    def typical_us(self, label: str) -> float:
        """The lower quartile over the requests: what else the machine does meanwhile only ever adds."""
        return lower_quartile([spent.get(label, 0) for spent in self.requests]) / 1000

    def end(self) -> None:
        settrace(None)

    def _mark(self) -> None:
        now, label = time.thread_time_ns(), self._stack[-1]
        self._spent[label] = self._spent.get(label, 0) + now - self._since
        self._since = now

    def _switched(self, _: str, between: tuple[Any, Any]) -> None:
        self._mark()
        origin, target = between
        if origin.dead:
            self._stacks.pop(origin, None)
        self._stack = self._stacks.setdefault(target, [OUTSIDE])

    def _timed(self, label: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._mark()
            self.calls[label] += 1
            self._stack.append(label)
            try:
                return function(*args, **kwargs)
            finally:
                self._mark()
                self._stack.pop()

        return timed


def lower_quartile(taken: list[int]) -> float:
    return statistics.quantiles(taken, n=4)[0]
