"""The history of an app or a session: audit entries, newest first, runs of identical ones folded into one line with its range."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from projections.audit_log import queries
from projections.audit_log.queries import AuditEntry
from web.pages.audit_sentences import Known, sentence_for
from web.pages.formatting import counted, sentence
from web.pages.models import HistoryEntry, Kind

READ: Final = 200
SHOWN: Final = 30
_LOOKS: Final[dict[str, tuple[str, Kind]]] = {
    "refresh_token.reuse_detected": ("cross", "bad"),
    "authorization_code.replayed": ("cross", "bad"),
    "oauth_client.blocked": ("block", "bad"),
    "oauth_client.removed": ("cross", ""),
    "oauth_client.unblocked": ("check", "ok"),
    "oauth_client.approved": ("check", "ok"),
    "oauth_client.verified": ("shield", "info"),
    "oauth_client.registered": ("plug", ""),
    "oauth_client.authorization_approved": ("check", "ok"),
    "oauth_client.authorization_denied": ("cross", "warn"),
    "oauth_client.approval_requested": ("gate", "warn"),
    "oauth_consent.withdrawn": ("cross", "warn"),
    "oauth_consent.narrowed": ("info", "warn"),
    "oauth_grant.revoked": ("cross", "warn"),
    "oauth_grant.expired": ("clock", ""),
    "access_token.issued": ("refresh", ""),
    "refresh_token.issued": ("refresh", ""),
    "refresh_token.replayed": ("refresh", "warn"),
    "action.performed": ("list", ""),
    "user.added": ("plus", "ok"),
    "user.role_changed": ("people", "info"),
    "user.removed": ("block", "bad"),
    "user.reactivated": ("check", "ok"),
    "permission.added": ("check", "ok"),
    "permission.removed": ("cross", "warn"),
    "password.changed": ("key", ""),
    "project.added": ("plus", "ok"),
    "project.removed": ("cross", "warn"),
}
_BESIDE: Final = frozenset({"oauth_client.authorized", "access_token.issued"})
"""Types that may stand beside another entry which tells the same event better."""
_HIDDEN: Final = frozenset({"authorization_code.issued"})
"""The consent before it and the exchange after it tell this."""
_RUNS: Final = {
    "refresh_token.issued": "Refreshed {}",
    "oauth_client.registered": "Registered {}. Same metadata, so one app",
    "action.performed": "Used {}",
    "refresh_token.replayed": "Asked twice within grace {}",
}


def timeline(entries: Sequence[AuditEntry], known: Known) -> tuple[HistoryEntry, ...]:
    """The lines for these entries (newest first)."""
    runs: list[list[AuditEntry]] = []
    told = {entry.position for entry in entries if entry.event_type not in _BESIDE}
    for entry in entries:
        if entry.event_type in _HIDDEN or (entry.event_type in _BESIDE and entry.position in told):
            continue
        if runs and entry.event_type in _RUNS and _same(runs[-1][0], entry):
            runs[-1].append(entry)
        else:
            runs.append([entry])
    return tuple(_line(run, known) for run in runs[:SHOWN])


def _same(one: AuditEntry, other: AuditEntry) -> bool:
    return (one.event_type, one.actor_id) == (other.event_type, other.actor_id) and not _is_first(one) and not _is_first(other)


def _is_first(entry: AuditEntry) -> bool:
    """Whether it is the first refresh token of a session."""
    return entry.event_type == "refresh_token.issued" and int(entry.event_context.get("generation") or 0) <= 1


def _line(run: list[AuditEntry], known: Known) -> HistoryEntry:
    newest, oldest = run[0], run[-1]
    image, kind = _LOOKS.get(newest.event_type, ("info", ""))
    actor = newest.actor_name or (known.people.get(newest.actor_id or "") if newest.actor_id else None) or ""
    if len(run) > 1:
        words = _RUNS[newest.event_type].format(counted(len(run), "time"))
    else:
        actor, words = _words(newest, actor, known)
    return HistoryEntry(
        image=image,
        kind=kind,
        actor=actor,
        sentence=(words[:1].lower() + words[1:] if actor else sentence(words)) + ".",
        said=str(newest.event_context.get("reason") or "") if len(run) == 1 else "",
        at=newest.created_at,
        event_type=newest.event_type,
        first_position=oldest.position,
        last_position=newest.position,
    )


_PLAIN: Final = {
    "refresh_token.issued": "Refreshed",
    "access_token.issued": "Connected without staying connected",
    "oauth_client.authorization_denied": "Denied it; nothing was shared",
    "oauth_client.authorization_approved": "Allowed {}",
    "oauth_consent.narrowed": "Narrowed it: {}",
    "oauth_grant.expired": "A session ended: {}",
    "action.performed": "Used {}",
}
"""What a line says around the log's own sentence (`{}`), where that alone does not read on after a name."""
_ENDED: Final = {
    "refresh_token.reuse_detected": "Reuse detected. {}",
    "authorization_code.replayed": "A spent code came back. {}",
}
"""What happened to a session and was nobody's deed: the person is named as its owner."""


def _words(entry: AuditEntry, actor: str, known: Known) -> tuple[str, str]:
    """Who did it, if anybody, and the words that follow the name."""
    told = sentence_for(entry.event_type, entry.event_context, known, entry.subject_id)
    inner = told if entry.event_type == "action.performed" else told[:1].lower() + told[1:]
    if _is_first(entry):
        return actor, "Connected: the code was exchanged"
    if entry.event_type in _ENDED:
        whose = f"The session of {actor} ended, their others continue" if actor else "The session ended"
        said = f"{told.removesuffix('. The session ended')}. {whose}" if entry.event_type == "refresh_token.reuse_detected" else whose
        return "", _ENDED[entry.event_type].format(said)
    if entry.event_type == "signing_key.rotated" and actor:  # nobody but the server puts one into use or retires it
        return actor, f"Published key {entry.event_context.get('kid', '')}".rstrip()
    if entry.event_type == "oauth_client.removed" and actor:
        return actor, "Removed it"
    if entry.event_type == "oauth_client.verified":
        return actor, inner.replace("marked", "marked it", 1)
    if entry.event_type == "oauth_grant.revoked" and actor:
        return actor, "Revoked a session of their own" if entry.event_context.get("by") == "member" else "Revoked a session"
    return actor, _PLAIN.get(entry.event_type, "{}").format(inner if entry.event_type in _PLAIN else told) or entry.event_type


_NOISE: Final = frozenset(
    {
        "access_token.issued",
        "refresh_token.issued",
        "refresh_token.replayed",
        "authorization_code.issued",
        "action.performed",
        "oauth_client.authorized",
    }
)
"""What an app does all day: its chart tells this, and its sessions' own histories."""
_OF_AN_APP: Final = tuple(name for name in queries.EVENT_TYPES if name not in _NOISE)


def app_history(conn: Any, account_id: str, client_ref: str, people: Mapping[str, str], projects: Mapping[str, str]) -> tuple[HistoryEntry, ...]:
    """What was decided about an app and who allowed it."""
    entries = queries.entries(conn, account_id, client=client_ref, event_type=_OF_AN_APP, limit=READ)
    return timeline(entries, Known(people, projects))


def session_history(conn: Any, account_id: str, grant_id: str, people: Mapping[str, str], projects: Mapping[str, str]) -> tuple[HistoryEntry, ...]:
    entries = queries.entries(conn, account_id, grant_id=grant_id, limit=READ)
    return timeline(entries, Known(people, projects))
