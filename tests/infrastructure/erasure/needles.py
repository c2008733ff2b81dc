"""Looks for a text in every form in which a copy of it could lie somewhere."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence

_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){6,}")


def forms(text: str) -> set[bytes]:
    """The text itself, escaped, in hex, and what base64 makes of it at each of the three places that it may begin at."""
    raw = text.encode()
    found = {raw, raw.lower(), raw.upper(), json.dumps(text)[1:-1].encode(), text.encode("utf-16-le"), raw.hex().encode(), raw.hex().upper().encode()}
    for ahead in range(3):
        whole = base64.b64encode(b"\0" * ahead + raw + b"\0" * (-(ahead + len(raw)) % 3))
        inner = whole[-(-8 * ahead // 6) : len(whole) - 4]
        found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return {form for form in found if len(form) >= 6}


def _layers(content: bytes) -> Iterator[bytes]:
    """The content, and what lies in it in hex, as bytea stands in a dump."""
    yield content
    yield content.lower()
    for run in _HEX.findall(content):
        yield bytes.fromhex(run.decode())


def found(content: bytes, texts: Sequence[str]) -> list[str]:
    """Which of the texts are in there, in whichever form."""
    layers = list(_layers(content))
    return [text for text in texts if any(form in layer for form in forms(text) for layer in layers)]
