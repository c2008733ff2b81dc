"""The page of an authorization request that must not be redirected: what is wrong, and how to connect the app again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from flask import make_response
from werkzeug.wrappers import Response

from projections.integrations import queries
from web.pages import context, frame, headers
from web.pages.account_models import CannotConnectVariant, CannotConnectView
from web.pages.app_words import marked_difference
from web.pages.people import admins
from web.pages.reconnect import others, steps_for
from web.pages.session import current_member

_WORDS: Final[dict[CannotConnectVariant, tuple[str, str]]] = {
    "removed": ("invalid_client", "client removed"),
    "unknown": ("invalid_client", "client unknown"),
    "blocked": ("invalid_client", "app blocked"),
    "pending": ("access_denied", "approval required"),
    "redirect_mismatch": ("invalid_request", "redirect_uri not registered"),
    "registration_off": ("access_denied", "registration is off"),
    "no_plan": ("access_denied", "the account's plan has no app integrations"),
    "expired": ("invalid_request", "request expired"),
    "bad_request": ("invalid_request", "request malformed"),
    "too_many": ("temporarily_unavailable", "too many requests"),
}
_STATUS: Final[dict[CannotConnectVariant, int]] = {"blocked": 403, "pending": 403, "registration_off": 403, "no_plan": 403, "too_many": 429}
_FOR_ADMINS: Final = frozenset({"blocked", "pending", "registration_off", "no_plan"})
_WITH_STEPS: Final = frozenset({"removed", "unknown", "redirect_mismatch"})


def cannot_connect(
    variant: CannotConnectVariant,
    *,
    error: str = "",
    error_words: str = "",
    client_id: str = "",
    app_name: str = "",
    redirect_uri: str = "",
    registered: tuple[str, ...] = (),
    software_id: str = "",
) -> Response:
    """The page; `redirect_uri` is the one that was presented, `registered` those of the client. It never redirects."""
    steps = steps_for((redirect_uri, *registered), software_id) if variant in _WITH_STEPS else None
    mismatch = variant == "redirect_mismatch"
    nearest = registered[0] if registered else ""
    with context.views() as conn:
        decided = _decision(conn, variant, client_id)
        view = CannotConnectView(
            variant=variant,
            app_name=app_name,
            error=error or _WORDS[variant][0],
            error_words=error_words or _WORDS[variant][1],
            request_id=context.request_id(),
            client_id=client_id,
            sent=marked_difference(redirect_uri, nearest) if mismatch else None,
            registered=tuple(marked_difference(url, redirect_uri) for url in registered[:10]) if mismatch else (),
            steps=steps,
            others=others(steps) if variant in _WITH_STEPS else (),
            admins=_admins(conn, variant),
            **decided,
        )
        body = frame.account_page("account/cannot_connect.html", conn, "Cannot connect", error=True, with_lag=False, view=view)
    return headers.apply(make_response(body, _STATUS.get(variant, 400)))


def _admins(conn: Any, variant: CannotConnectVariant) -> tuple[str, ...]:
    """Who can help, told only to people of the account."""
    person = current_member()
    return admins(conn, person.account_id) if person and variant in _FOR_ADMINS else ()


def _decision(conn: Any, variant: CannotConnectVariant, client_id: str) -> dict[str, Any]:
    """Who ended it and when; names and reasons are told only to people of the account."""
    row = queries.integration(conn, context.account_id(), client_id) if client_id and variant in ("removed", "blocked") else None
    if row is None:
        return {}
    at: datetime | None = row.decided_at if variant == "blocked" else row.removed_at
    found: dict[str, Any] = {"at": at}
    if current_member():
        by = row.decided_by_name if variant == "blocked" else row.removed_actor_name
        reason = row.decision_reason if variant == "blocked" else row.removed_reason
        found |= {"by": by or "", "reason": reason or ""}
    return found
