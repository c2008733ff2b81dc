"""The questions before a deed: what ends, for whom, when, and what stays; the same for the popover and the page."""

from __future__ import annotations

from typing import Final

from flask import url_for

from web.pages.app_words import plain_name
from web.pages.formatting import counted, duration
from web.pages.models import Confirm

REASON_LIMIT: Final = 200
_NAMES: Final = {"approve": "Approve", "deny": "Deny", "block": "Block", "unblock": "Unblock", "remove": "Remove", "verify": "Mark as verified"}


def _and_end(verb: str, sessions: int) -> str:
    return f"{verb} and end {counted(sessions, 'session')}" if sessions else verb


def _ending(sessions: int, people: int) -> str:
    if not sessions:
        return "No session is active, so none ends."
    whole = "Its only session ends" if sessions == 1 else f"All {counted(sessions, 'session')} end"
    return f"{whole} now, for {counted(people, 'person', 'people')}."


def app_deed(deed: str, page_id: str, name: str, *, sessions: int = 0, people: int = 0, access_token_ttl: int = 600) -> Confirm:
    """What an admin may do to an app: approve, deny, block, unblock or remove it."""
    name, verb = plain_name(name), _NAMES[deed]
    tokens = f"Access tokens already issued stop at once here; a service that does not ask us accepts them for up to {duration(access_token_ttl)}."
    points = {
        "approve": ("People can connect it and choose what it may do.", "Every registration with the same metadata is approved too."),
        "deny": ("Nobody can connect it, and it can't register again.", "You can unblock it later."),
        "block": (
            _ending(sessions, people),
            tokens,
            "New registrations with the same metadata are blocked too.",
            "You can unblock it later. People will have to consent again.",
        ),
        "verify": (
            "You say that the app is who it says it is.",
            "Its consent page loses the warning, and what people hold is ticked at first.",
        ),
        "unblock": ("It can register and ask people again.", "Sessions that ended stay ended. People will have to consent again."),
        "remove": (
            _ending(sessions, people),
            tokens,
            "The app leaves this list. Its history stays in the audit log.",
            "If the registration policy allows it, it can register again.",
        ),
    }
    destroys = deed in ("deny", "block", "remove")
    return Confirm(
        id=deed,
        verb=verb,
        action=url_for(f"settings.integrations.{deed}", page_id=page_id),
        question=f"Mark {name} as verified?" if deed == "verify" else f"{verb} {name}?",
        points=points[deed],
        button=_and_end(verb, sessions) if deed in ("block", "remove") else verb,
        keep="Keep it" if destroys else "Leave it",
        image={"block": "block", "deny": "block", "approve": "check", "verify": "check"}.get(deed, ""),
        destroys=destroys,
        asks_reason=True,
    )


def revoke_session(grant_id: str, person: str, app: str) -> Confirm:
    app = plain_name(app)
    return Confirm(
        id=f"revoke-{grant_id}",
        verb="Revoke",
        action=url_for("settings.sessions.revoke", grant_id=grant_id),
        question="Revoke this session?",
        points=(
            f"{app} can no longer act for {person} in this session.",
            f"Other sessions of {person} continue.",
            f"{person} can connect again by consenting again.",
        ),
        button="Revoke session",
        asks_reason=True,
    )


def revoke_sessions(grant_ids: tuple[str, ...], people: int) -> Confirm:
    what = counted(len(grant_ids), "session")
    return Confirm(
        id="revoke-many",
        verb="Revoke",
        action=url_for("settings.sessions.revoke_many"),
        question=f"Revoke {what}?",
        points=(
            f"No longer can an app act in {'it' if len(grant_ids) == 1 else 'them'}, for {counted(people, 'person', 'people')}, from now on.",
            "Other sessions continue.",
            "People can connect again by consenting again.",
        ),
        button=f"Revoke {what}",
        keep="Keep them",
        asks_reason=True,
        fields=tuple(("grant_id", grant_id) for grant_id in grant_ids),
    )


def revoke_all_sessions(of: str, query: tuple[tuple[str, str], ...], *, sessions: int, people: int, is_app: bool) -> Confirm:
    """Every session of a person or of an app."""
    what, of = counted(sessions, "session"), plain_name(of)
    whom = f"{of} can no longer act for {counted(people, 'person', 'people')}" if is_app else f"No app can act for {of}"
    return Confirm(
        id="revoke-all",
        verb="Revoke all",
        action=url_for("settings.sessions.revoke_all"),
        question=f"Revoke all sessions of {of}?",
        points=(
            f"{whom} in any session there is now: {what}.",
            "New sessions can begin: apps and consents stay as they are." + (" To keep the app out, block it." if is_app else ""),
        ),
        button=f"Revoke {what}",
        keep="Keep them",
        asks_reason=True,
        fields=query,
    )


def revoke_app(consent_id: str, name: str) -> Confirm:
    """A person takes their own consent back."""
    name = plain_name(name)
    return Confirm(
        id=f"revoke-{consent_id}",
        verb="Revoke",
        action=url_for("connected_apps.revoke", consent_id=consent_id),
        question=f"Revoke {name}?",
        points=(
            "It can no longer act for you, from now on.",
            "Your data and your account stay as they are.",
            "To use it again, connect it again and agree again.",
        ),
        button="Revoke",
    )


def revoke_own_session(grant_id: str, name: str, device: str, *, alone: bool) -> Confirm:
    """A person ends one session of an app; what they allowed stays."""
    name = plain_name(name)
    return Confirm(
        id=f"end-{grant_id}",
        verb="Revoke",
        action=url_for("connected_apps.revoke_session", grant_id=grant_id),
        question=f"Revoke this session of {name}?",
        points=(
            f"{name} can no longer act for you with {device}, from now on.",
            "It has no other session." if alone else "Its other sessions continue.",
            "What you allowed stays: it can ask you again. To end that too, revoke the app.",
        ),
        button="Revoke session",
    )


def revoke_all_apps(count: int) -> Confirm:
    return Confirm(
        id="revoke-all",
        verb="Revoke all",
        action=url_for("connected_apps.revoke_all"),
        question=f"Revoke all {counted(count, 'app')}?",
        points=("None of them can act for you, from now on.", "To use one again, connect it again and agree again."),
        button=f"Revoke all {count}",
        keep="Keep them",
    )


def reason_from(text: str) -> str | None:
    """The optional reason of a form: printable, at most 200 characters, or nothing."""
    words = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return words[:REASON_LIMIT] or None
