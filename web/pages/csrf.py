"""CSRF tokens on every form (flask-wtf); that of the consent form is signed together with the pending request's id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flask import current_app, request
from flask_wtf.csrf import generate_csrf, validate_csrf
from wtforms import ValidationError

TIME_LIMIT: Final = 12 * 3600
_REQUEST_KEY: Final = "csrf_request"


STALE: Final = "This page is out of date, nothing was changed. Send the form again."


class StaleForm(Exception):
    """The form's token is missing, old, or another session's: nothing was changed."""


def _secret_for(request_id: str) -> str:
    return f"{current_app.secret_key!r}:consent:{request_id}"


def token_for_request(request_id: str) -> str:
    """The token of the consent form: good for this pending request and no other."""
    return str(generate_csrf(secret_key=_secret_for(request_id), token_key=_REQUEST_KEY))


def check() -> None:
    """Refuse a POST without the token of this browser, and any that another site sent."""
    _refuse_other_sites()
    _check(lambda sent: validate_csrf(sent, time_limit=TIME_LIMIT))


def check_for_request(request_id: str) -> None:
    """The same for the consent form."""
    _refuse_other_sites()
    _check(lambda sent: validate_csrf(sent, secret_key=_secret_for(request_id), time_limit=TIME_LIMIT, token_key=_REQUEST_KEY))


def _check(validate: Callable[[str], None]) -> None:
    try:
        validate(request.form.get("csrf_token", ""))
    except ValidationError as error:
        raise StaleForm from error


def _refuse_other_sites() -> None:
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise StaleForm
