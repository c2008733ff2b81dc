"""Reads what a client sends: form bodies and query strings, strictly, and JSON bodies."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import unquote_plus

import msgspec

LARGEST = 64 * 1024
MOST_FIELDS = 100
FORM_TYPE = "application/x-www-form-urlencoded"
_MAY_REPEAT = frozenset({"resource", "audience"})


class Malformed(Exception):
    """The request can't be read; the message is public."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.status = message, status


Form = dict[str, str]


class Headers(Protocol):
    """A request's headers by name, whatever holds them."""

    def get(self, name: str, /) -> str | None: ...


def pairs(raw: bytes) -> list[tuple[str, str]]:
    """The fields in order; `Malformed` if they are too many, no UTF-8, or hold a NUL."""
    if len(raw) > LARGEST:
        raise Malformed(f"The request has more than {LARGEST} bytes.", 413)
    if raw.count(b"&") >= MOST_FIELDS:
        raise Malformed(f"The request has more than {MOST_FIELDS} parameters.")
    if b"%00" in raw or b"\0" in raw:
        raise Malformed("The request holds a NUL character.")
    try:
        fields = [part.partition("=")[::2] for part in raw.decode().split("&") if part]
        if b"%" in raw or b"+" in raw:
            return [(_decoded(name), _decoded(value)) for name, value in fields]
    except UnicodeDecodeError:
        raise Malformed("The request holds bytes that are not UTF-8.") from None
    return fields


def _decoded(text: str) -> str:
    """As `urllib.parse.parse_qsl` does it, for what is encoded at all."""
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text


def once(fields: list[tuple[str, str]]) -> tuple[Form, tuple[str, ...]]:
    """Each field's one value, and the resources; empty values count as left out, a repeated field is refused (RFC 6749 3.2)."""
    plain = dict(fields)
    if len(plain) == len(fields) and "resource" not in plain and all(plain.values()):
        return plain, ()
    form: Form = {}
    seen: set[str] = set()
    resources: list[str] = []
    for name, value in fields:
        if name in seen and name not in _MAY_REPEAT:
            raise Malformed("A parameter was sent more than once.")
        seen.add(name)
        if not value:
            continue
        if name == "resource":
            resources.append(value)
        else:
            form[name] = value
    return form, tuple(resources)


def repeated(fields: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Each field's values in order."""
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return found


def is_form(content_type: str) -> bool:
    """Whether a body is declared to be a form."""
    return content_type.partition(";")[0].strip().lower() == FORM_TYPE


def read_json(raw: bytes) -> Any:
    """The body's JSON value; `Malformed` if it is none."""
    if len(raw) > LARGEST:
        raise Malformed(f"The request has more than {LARGEST} bytes.", 413)
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Malformed("The body is not JSON.") from None
