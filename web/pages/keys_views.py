"""Builds the page about signing keys, and the question before a new one is published."""

from __future__ import annotations

from typing import Any, Final

from flask import url_for

from application.rotate_keys import REREAD, USES, KeyState, key_states
from application.services import Services
from domain.account import Account
from domain.signing_key import Use
from projections.audit_log.queries import entries
from web.pages.audit_sentences import Known
from web.pages.formatting import duration
from web.pages.history import timeline
from web.pages.key_changes import with_keys
from web.pages.keys_models import KeyGroup, KeyRow, KeysView
from web.pages.models import Confirm
from web.pages.people import names

_LAST: Final = 6
_RETIRED_SHOWN: Final = 5
_GROUPS: Final[dict[Use, tuple[str, str]]] = {
    "token": ("Access tokens", "Sign the access tokens that apps get. Services that check tokens by themselves read them at the JWKS URL."),
    "assertion": ("Gateway assertions", "Sign what the MCP gateway tells the servers behind it instead of an app's token."),
}
_NEXT: Final = {
    "waiting": "Published; signs as soon as every worker has read it",
    "signing": "Signs; stays until another takes over",
    "checking": "Signs nothing new; retired once the last token that it signed has died",
    "retired": "No longer published; what it signed counts nothing",
}


def view_of(conn: Any, services: Services, account: Account, *, may_manage: bool) -> KeysView:
    account_id = str(account.id)
    states = key_states(services, account_id, account.session_policy)
    found = with_keys(conn, entries(conn, account_id, event_type="signing_key.rotated", limit=_LAST))
    return KeysView(
        groups=tuple(_group(use, [key for key in states if key.use == use], may_manage=may_manage) for use in USES),
        jwks_url=f"{services.issuer}/.well-known/jwks.json",
        history=timeline(found, Known(names(conn, account_id), account.projects)),
    )


def question(use: Use) -> Confirm:
    """Nothing ends by it, so it is not a destructive deed."""
    what = "access tokens" if use == "token" else "the gateway's assertions"
    return Confirm(
        id=f"rotate-{use}",
        verb="Publish a new key",
        action=url_for("settings.keys.rotate", use=use),
        question=f"Publish a new key for {what}?",
        points=(
            f"It is published now and signs in {duration(2 * REREAD)}, when every worker has read it.",
            "The key before it stays published until the last token that it signed has died, and is retired then.",
            "Nobody is signed out, and no session ends.",
        ),
        button="Publish a new key",
        keep="Keep the one there is",
        image="refresh",
        destroys=False,
    )


def _group(use: Use, keys: list[KeyState], *, may_manage: bool) -> KeyGroup:
    heading, words = _GROUPS[use]
    live = [key for key in keys if key.stage != "retired"]
    retired = [key for key in keys if key.stage == "retired"][:_RETIRED_SHOWN]
    rows = tuple(
        KeyRow(
            kid=key.kid, alg=key.alg, stage=key.stage, created_at=key.created_at, next=_NEXT[key.stage],
            next_at=key.retired_at if key.stage == "retired" else key.next_at,
        )
        for key in (*live, *retired)
    )  # fmt: skip
    return KeyGroup(use=use, heading=heading, words=words, rows=rows, rotate=question(use) if may_manage else None)
