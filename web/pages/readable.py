"""Refuses requests that no browser sends: NUL bytes, broken UTF-8 and unpaired surrogates in path, query or form."""

from __future__ import annotations

from collections.abc import Iterable

from flask import request
from werkzeug.exceptions import BadRequest

_BROKEN = "\ufffd"


def refuse_unreadable() -> None:
    """Before each page: PostgreSQL takes no NUL, and nothing else of this can be meant."""
    texts = [request.path, *_flat(request.args.items(multi=True)), *_flat(request.form.items(multi=True))]
    if any("\x00" in text or _BROKEN in text or _has_surrogate(text) for text in texts):
        raise BadRequest


def _flat(pairs: Iterable[tuple[str, str]]) -> list[str]:
    return [text for pair in pairs for text in pair]


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)
