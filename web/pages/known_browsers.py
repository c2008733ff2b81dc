"""The cookie by which a browser shows that a person signed in there before: others' wrong tries then don't keep them out."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from flask import request
from werkzeug.wrappers import Response

from application import sign_in
from web.pages import context

_NAME: Final = "gb_known"
_LIFE: Final = timedelta(days=180)
_MOST: Final = 5
"""People who share a browser, the last ones first."""
_BETWEEN: Final = "/"


def shown() -> tuple[str, ...]:
    """What the browser of this request kept."""
    return tuple(token for token in request.cookies.get(_name(), "")[:2000].split(_BETWEEN) if token)[:_MOST]


def remember(response: Response, email: str) -> None:
    """Let the browser keep that this login has just signed in by its password."""
    token = sign_in.known_browser(context.services(), context.account_id(), email)
    kept = _BETWEEN.join((token, *shown()[: _MOST - 1]))
    response.set_cookie(_name(), kept, max_age=_LIFE, secure=context.secure(), httponly=True, samesite="Lax", path="/")


def _name() -> str:
    return f"__Host-{_NAME}" if context.secure() else _NAME
