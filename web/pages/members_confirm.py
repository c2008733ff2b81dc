"""The questions before a deed about a person: what it takes, from which sessions, and what stays; counted on the write side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from flask import url_for

from application.foresee import Foreseen, Loss
from web.pages.app_words import plain_name
from web.pages.formatting import counted, duration, listed, number
from web.pages.models import Confirm

CAP: Final = 100
"""How many of the newest sessions a question looks at."""
_TOLD: Final = 5

Fields = tuple[tuple[str, str], ...]
Changes = tuple[tuple[str, ...], tuple[str, ...]]
"""What is lost and what is gained."""


def foreseen_points(found: Foreseen, *, more: bool, nothing: str = "No live session is touched by it.") -> tuple[str, ...]:
    """What happens to live sessions. `more`: there are others than those looked at."""
    if not found.losses:
        return (nothing,) if not more else (f"None of the newest {number(CAP)} sessions is touched by it.",)
    others = found.judged - len(found.losses)
    points = []
    if found.ending:
        points.append(f"{_begun(len(found.ending), 'ends', 'end')} now: {_apps(found.ending)}.")
    points += _narrowing(found.narrowing)
    if others and not more:
        points.append(f"{counted(others, 'other session')} {'stays as it is' if others == 1 else 'stay as they are'}.")
    if more:
        points.append(f"Only the newest {number(CAP)} sessions were counted here; the same holds for the others.")
    return tuple(points)


def _begun(count: int, one: str, many: str) -> str:
    return f"{counted(count, 'session')} {one if count == 1 else many}"


def _apps(losses: Iterable[Loss]) -> str:
    counts = Counter(plain_name(loss.client_name) for loss in losses)
    shown = [name if count == 1 else f"{name} ({number(count)})" for name, count in counts.most_common(_TOLD)]
    left = len(counts) - len(shown)
    return listed([*shown, counted(left, "other app")]) if left else listed(shown)


def _narrowing(losses: tuple[Loss, ...]) -> list[str]:
    """One line for all that lose the same."""
    alike: dict[str, list[Loss]] = {}
    for loss in losses:
        alike.setdefault(_lost(loss), []).append(loss)
    most = sorted(alike.items(), key=lambda one: -len(one[1]))
    points = [f"{_begun(len(those), 'narrows', 'narrow')} now, of {_apps(those)}: without {lost}." for lost, those in most[:_TOLD]]
    left = sum(len(those) for _, those in most[_TOLD:])
    return [*points, f"{_begun(left, 'narrows', 'narrow')} in other ways."] if left else points


def _lost(loss: Loss) -> str:
    """`jobs:run`, `projects:query in some projects`"""
    gone = [scope for scope in loss.scopes if scope not in loss.after.scopes]
    partly = [scope for scope in loss.scopes if scope in loss.after.scopes]
    return ", and without ".join([*([listed(gone)] if gone else []), *([f"{listed(partly)} in some projects"] if partly else [])])


def button(verb: str, found: Foreseen, *, more: bool = False) -> str:
    """`Take away, end 2 and narrow 1 session`"""
    ends, narrows, plus = len(found.ending), len(found.narrowing), "more than " if more else ""
    if ends and narrows:
        return f"{verb}, end {plus}{number(ends)} and narrow {counted(narrows, 'session')}"
    if ends or narrows:
        return f"{verb} and {'end' if ends else 'narrow'} {plus}{counted(ends or narrows, 'session')}"
    return verb


def _deed(endpoint: str, member_id: str) -> str:
    return url_for(f"settings.member.{endpoint}", member_id=member_id)


def _tokens(ttl: int) -> str:
    return f"Access tokens already issued stop at once here; a service that does not ask us accepts them for up to {duration(ttl)}."


def _for_good(found: Foreseen) -> tuple[str, ...]:
    return ("What a session loses it does not get back later: people allow the app again.",) if found.losses else ()


def deactivate(member_id: str, name: str, found: Foreseen, *, more: bool, sign_ins: int, you: bool, ttl: int) -> Confirm:
    points = (
        *(("This is you: you are signed out at once.",) if you else ()),
        *foreseen_points(found, more=more, nothing="No session is live, so none ends."),
        f"{_sign_ins(sign_ins)}, and nobody can sign in as {name}.",
        *((_tokens(ttl),) if found.ending else ()),
        f"You can reactivate {name} later, with the same role. Apps have to be allowed again.",
    )
    return Confirm(
        id="deactivate",
        verb="Deactivate",
        action=_deed("deactivate", member_id),
        question=f"Deactivate {name}?",
        points=points,
        button=button("Deactivate", found, more=more),
        keep="Keep active",
        image="block",
        asks_reason=True,
    )


def _sign_ins(count: int) -> str:
    return f"{counted(count, 'sign-in')} {'ends' if count == 1 else 'end'}" if count else "There is no sign-in to end"


def reactivate(member_id: str, name: str, role: str) -> Confirm:
    return Confirm(
        id="reactivate",
        verb="Reactivate",
        action=_deed("reactivate", member_id),
        question=f"Reactivate {name}?",
        points=(
            f"{name} can sign in again and holds what they held before, as {role}.",
            "Sessions that ended stay ended. Apps have to be allowed again.",
        ),
        button="Reactivate",
        keep="Leave it",
        image="check",
        destroys=False,
        asks_reason=True,
    )


def end_sign_ins(member_id: str, name: str, count: int) -> Confirm:
    return Confirm(
        id="end-sign-ins",
        verb="End sign-ins",
        action=_deed("end_sign_ins", member_id),
        question=f"End {counted(count, 'sign-in')} of {name}?" if count else f"End the sign-ins of {name}?",
        points=(
            f"{'The browser is' if count == 1 else 'Their browsers are'} signed out at the next click.",
            "Apps that they have connected stay connected.",
        ),
        button=f"End {counted(count, 'sign-in')}" if count else "End sign-ins",
        keep="Keep them",
    )


def revoke_sessions(member_id: str, name: str, count: int, *, more: bool) -> Confirm:
    what = f"{'more than ' if more else ''}{counted(count, 'session')}"
    return Confirm(
        id="revoke-sessions",
        verb="Revoke sessions",
        action=_deed("revoke_sessions", member_id),
        question=f"Revoke {what} of {name}?" if count else f"Revoke the sessions of {name}?",
        points=(
            f"No app can act for {name} any more, from now on.",
            *((f"The newest {number(CAP)} are revoked at once; revoke again for the others.",) if more else ()),
            f"{name} stays signed in and can allow apps again.",
        ),
        button=f"Revoke {counted(count, 'session')}" if count else "Revoke sessions",
        keep="Keep them",
        asks_reason=True,
    )


def make_password(member_id: str, name: str, sign_ins: int, *, has_one: bool) -> Confirm:
    return Confirm(
        id="replace-password",
        verb="Replace the password" if has_one else "Make a password",
        action=_deed("password", member_id),
        question=f"{'Replace the password of' if has_one else 'Make a password for'} {name}?",
        points=(
            "A new one is made and shown once, on the next page. Hand it over by a safe way.",
            f"{_sign_ins(sign_ins)}.",
            "Apps that they have connected stay connected.",
        ),
        button="Replace it" if has_one else "Make it",
        keep="Leave it",
        destroys=has_one,
    )


def _changed(changes: Changes) -> tuple[str, ...]:
    lost, gained = changes
    return tuple(f"{verb}: {'; '.join(words)}." for verb, words in (("Loses", lost), ("Gains", gained)) if words)


def change_role(member_id: str, name: str, role: str, fields: Fields, found: Foreseen, changes: Changes, *, more: bool) -> Confirm:
    return Confirm(
        id="role",
        verb="Change role",
        action=url_for("settings.member_access.role", member_id=member_id),
        question=f"Change the role of {name} to {role}?",
        points=(*_changed(changes), *foreseen_points(found, more=more), *_for_good(found)),
        button=button("Change role", found, more=more),
        keep="Leave it",
        fields=(*fields, ("confirmed", "yes")),
    )


def take_away(member_id: str, name: str, permission: str, places: str, fields: Fields, found: Foreseen, *, more: bool) -> Confirm:
    return Confirm(
        id="forbid",
        verb="Take away",
        action=url_for("settings.member_access.forbid", member_id=member_id, permission=permission),
        question=f"Take {permission} away from {name}{f' in {places}' if places else ''}?",
        points=(*foreseen_points(found, more=more), *_for_good(found), "It is felt by the next request."),
        button=button("Take away", found, more=more),
        fields=(*fields, ("confirmed", "yes")),
    )
