"""Registration and session policy of an account, as values with their defaults, their parsing and their warnings."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypeVar, get_args

from domain.errors import InvalidInput

RegistrationMode = Literal["open", "approval", "allow-list", "off"]
TPolicy = TypeVar("TPolicy", "RegistrationPolicy", "SessionPolicy")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d{1,9})([smhdw]?)\Z")
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9._-]{0,252}[a-z0-9_])?\.?|::1|[a-z][a-z0-9+.-]{0,60}:)\Z")
_LARGEST = {"reap_unused_after_days": 36_500}
_MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class RegistrationPolicy:
    """Who may register apps: for dynamic registration (RFC 7591) and for metadata documents each. Hosts match exactly; counts are per account."""

    registration: RegistrationMode = "open"
    metadata_documents: RegistrationMode = "open"
    allowed_redirect_hosts: tuple[str, ...] = ()
    allowed_software_ids: tuple[str, ...] = ()
    registrations_per_hour: int = 1000
    registrations_total: int = 100_000
    dynamic_scopes: tuple[str, ...] = ()
    reap_unused_after_days: int = 30


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """Lifetimes in seconds: access token, inactivity window, absolute lifetime, grace after a rotation, authorization code."""

    access_token_ttl: int = 600
    idle_window: int = 7 * 86400
    absolute_lifetime: int = 90 * 86400
    refresh_grace: int = 30
    code_ttl: int = 60


def parse_duration(text: str, *, name: str) -> int:
    """Seconds from `600`, `10m`, `7d`; from 0 s for the grace, from 1 s for the rest."""
    match = _DURATION.match(text.strip())
    least = 0 if name == "refresh_grace" else 1
    seconds = int(match.group(1)) * _UNITS[match.group(2) or "s"] if match else -1
    if seconds < least:
        raise InvalidInput(f"{name} takes a length of time from {least} s, such as 30s, 10m, 12h or 7d, not {text!r}.", field=name)
    if seconds > 10 * 365 * 86400:
        raise InvalidInput(f"{name} can't be longer than ten years.", field=name)
    return seconds


def changed(policy: Any, changes: dict[str, str]) -> Any:
    """The policy (either kind) with the given textual changes applied; `InvalidInput` says which value is wrong."""
    known = {f.name for f in fields(policy)}
    values: dict[str, Any] = {}
    for name, text in changes.items():
        if name not in known:
            raise InvalidInput(f"There is no policy setting {name!r}. Settings: {', '.join(sorted(known))}.", field=name)
        values[name] = _parsed(name, text, getattr(policy, name), session=isinstance(policy, SessionPolicy))
    return replace(policy, **values)


def _parsed(name: str, text: str, current: Any, *, session: bool) -> Any:
    if session:
        return parse_duration(text, name=name)
    if name in ("registration", "metadata_documents"):
        if text not in get_args(RegistrationMode):
            raise InvalidInput(f"{name} is one of {', '.join(get_args(RegistrationMode))}, not {text!r}.", field=name)
        return text
    if isinstance(current, tuple):
        return _listed(name, text)
    largest = _LARGEST.get(name, 1_000_000_000)
    if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) > largest:
        raise InvalidInput(f"{name} takes a whole number up to {largest:,}, not {text[:40]!r}.", field=name)
    return int(text)


def _listed(name: str, text: str) -> tuple[str, ...]:
    """Each once; hosts in lower case, and only what a redirect URI can match."""
    parts = tuple(dict.fromkeys(part for part in re.split(r"[,\s]+", text.lower() if name == "allowed_redirect_hosts" else text) if part))
    if len(parts) > _MOST_LISTED or any(len(part) > 255 for part in parts):
        raise InvalidInput(f"{name} takes up to {_MOST_LISTED:,} values of up to 255 characters.", field=name)
    for part in parts if name == "allowed_redirect_hosts" else ():
        if not _HOST.match(part):
            raise InvalidInput(f"{part!r} is no host: write it alone, such as claude.ai, or a scheme with its colon, such as cursor:.", field=name)
    return parts


def warnings(policy: SessionPolicy) -> list[str]:
    """What is unwise about a session policy, one sentence each; nothing is refused for it."""
    found = []
    if policy.access_token_ttl > 3600:
        found.append("Access tokens live longer than an hour: a resource that checks them locally trusts a revoked one that long.")
    if policy.access_token_ttl < 60:
        found.append("Access tokens live less than a minute: clients will refresh at almost every call.")
    if policy.idle_window > policy.absolute_lifetime:
        found.append("The inactivity window is longer than the absolute lifetime and will never apply.")
    if policy.refresh_grace > 300:
        found.append("A grace of over five minutes gives a stolen refresh token that long to be used unnoticed.")
    if policy.refresh_grace == 0:
        found.append("Without a grace every lost answer and every race of a client ends the session.")
    if policy.code_ttl > 60:
        found.append("Authorization codes should live 60 seconds at most (OAuth 2.1 section 4.1.2).")
    return found


def as_fact(policy: Any) -> dict[str, Any]:
    """The policy as an event states it."""
    return asdict(policy)


def registration_policy(fact: dict[str, Any]) -> RegistrationPolicy:
    """The policy from an event's fact; unknown members of other releases are ignored."""
    return _from_fact(RegistrationPolicy, fact)


def session_policy(fact: dict[str, Any]) -> SessionPolicy:
    """The policy from an event's fact; unknown members of other releases are ignored."""
    return _from_fact(SessionPolicy, fact)


def _from_fact(cls: type[TPolicy], fact: dict[str, Any]) -> TPolicy:
    known = {f.name for f in fields(cls)}
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fact.items() if k in known}
    return cls(**values)
