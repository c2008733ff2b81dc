"""Values as PostgreSQL reads them in text: array literals are several times cheaper than adapting each element."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec


def array(values: Iterable[int | str | bool | None]) -> str:
    """An array of numbers, booleans or ids, none of which needs quoting."""
    return "{" + ",".join(["NULL" if v is None else str(v) for v in values]) + "}"


def text_array(values: Iterable[str | None]) -> str:
    """An array of any text. PostgreSQL knows no NUL character: it reads as U+FFFD."""
    return "{" + ",".join(["NULL" if v is None else _quoted(v) for v in values]) + "}"


def clean(text: str) -> str:
    """The text as PostgreSQL can hold it."""
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def clean_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that somebody typed, as PostgreSQL can take them."""
    return {name: clean(value) if isinstance(value, str) else value for name, value in values.items()}


def _quoted(value: str) -> str:
    return '"' + clean(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def json_text(value: Any) -> str:
    """JSON that PostgreSQL can take apart (it knows no NUL character)."""
    return msgspec.json.encode(value).decode().replace("\\u0000", "\\ufffd")


def uuid_or_none(text: str | None) -> str | None:
    """The id, or None for anything that can't be one."""
    return text if text is not None and _UUID.match(text) else None


_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
