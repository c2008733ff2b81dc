"""The WWW-Authenticate header of a protected resource's 401 and 403, which real clients follow (RFC 6750 3, RFC 9728 5.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from application.begin_authorization import allowed_scopes
from application.register_client import dynamic_scopes
from domain.access import Standing
from domain.account import Account, Resource
from domain.lacking import why_lacking
from domain.scopes import OFFLINE_ACCESS
from web.pages.formatting import long_date

_ASK: Final = "Ask for it in a new authorization request."
_LACKING: Final[dict[str, str]] = {
    "role": "The user's role does not include the permission {permission}, which {scope} needs; an admin of the account can change that.",
    "narrowed": "{scope} was taken out of what the user allowed this app. " + _ASK,
    "lost": "This connection lost {scope}, since what the user may do, or what is offered here, has changed. " + _ASK,
    "unknown": "The account has no scope {scope} (any more); an admin of the account can change that.",
    "not_consented": "The user did not allow {scope} for this app. " + _ASK,
    "not_dynamic": "Apps that register by themselves can't ask for {scope} here; an admin of the account can add this app by hand.",
    "not_registered": "This app registered without {scope} and can't ask for it: it has to register anew, with {scope} among its scopes.",
    "not_added": "An admin added this app without {scope}; an admin of the account can add it anew.",
}


def metadata_url(identifier: str) -> str:
    """Where the resource's metadata stands: the well-known segment inserted before its path (RFC 9728 3.1)."""
    parts = urlsplit(identifier)
    path = parts.path if parts.path != "/" else ""
    return f"{parts.scheme}://{parts.netloc}/.well-known/oauth-protected-resource{path}"


def unauthorized(resource: Resource, account: Account, error: str | None = None, description: str | None = None) -> str:
    """No token (without an error code, RFC 6750 3.1) or one that is not valid (`invalid_token`)."""
    scopes = [s for s in resource.scopes if s != OFFLINE_ACCESS and s in account.scopes and account.scopes[s].dynamic]
    return _bearer(
        {"error": error, "error_description": description, "resource_metadata": metadata_url(resource.identifier), "scope": " ".join(scopes)}
    )


def insufficient_scope(resource: Resource, needed: str, granted: Iterable[str], description: str) -> str:
    """`scope` names what the token has and what it lacks, so that stepping up loses nothing."""
    wanted = [*(s for s in granted if s not in (needed, OFFLINE_ACCESS)), needed]
    return _bearer(
        {
            "error": "insufficient_scope",
            "error_description": description,
            "scope": " ".join(wanted),
            "resource_metadata": metadata_url(resource.identifier),
        }
    )


def lacking(standing: Standing, scope: str) -> str:
    """Why the token lacks the scope and who can change it, in words for the app and for the person behind it; they name no admin."""
    lack = why_lacking(standing, scope)
    if lack.cause == "taken" and lack.at is not None:
        return (
            f"An admin took the permission {lack.permission}, which {scope} needs, from the user on {long_date(lack.at)}; an admin can give it back."
        )
    cause = _why_not_allowed(standing, scope) if lack.cause == "not_consented" else lack.cause
    return _LACKING[cause].format(scope=scope, permission=lack.permission)


def _why_not_allowed(standing: Standing, scope: str) -> str:
    """Whether the user could allow it at all: an authorization request for more than the app may ask for ends in `invalid_scope`."""
    account, client = standing.account, standing.client
    if scope in allowed_scopes(account, client):
        return "not_consented"
    if client.registration == "manual":
        return "not_added"
    return "not_registered" if scope in dynamic_scopes(account) else "not_dynamic"


def _bearer(parts: Mapping[str, str | None]) -> str:
    quoted = (f'{k}="{v.replace(chr(92), "").replace(chr(34), chr(39))}"' for k, v in parts.items() if v)
    return "Bearer " + ", ".join(quoted)
