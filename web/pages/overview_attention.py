"""What needs an admin's attention: ledger or views in trouble, apps that wait, spent tokens, unused powerful permissions, failed sign-ins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from flask import url_for

from infrastructure.ledger.sealing import refusal
from infrastructure.ledger.whole_check import last_verified
from infrastructure.views_check import last_check
from projections import status
from projections.audit_log.queries import entries
from projections.integrations.queries import approval_requests, find_integrations
from projections.usage.queries import Day, unused_scopes
from web.pages import context
from web.pages.app_words import plain_name
from web.pages.formatting import absolute, counted, listed, number, sentence
from web.pages.frame import BEHIND_AFTER
from web.pages.overview_models import Attention

UNUSED_FOR: Final = timedelta(days=30)
_SHOWN: Final = 5
_REUSE: Final = "refresh_token.reuse_detected"
_FAILED: Final = "login.password.failed"
_MANY_FAILED: Final = 10


def attention(conn: Any, days: Sequence[Day]) -> tuple[Attention, ...]:
    """The worst first; `days` are the account's last thirty."""
    return (*_ledger(conn), *_views(conn), *_reused(conn, days), *_waiting(conn), *_failed_sign_ins(days), *_unused(conn))


def _ledger(conn: Any) -> Iterator[Attention]:
    if refusal(conn) is not None:
        yield Attention(
            kind="bad",
            image="warning",
            words="The ledger is not signed any more: the database does not hold what was signed before.",
            detail="Decisions are not affected.",
            url=url_for("settings.ledger.show"),
            link="Ledger",
        )
    verified = last_verified(conn)
    if verified is not None and verified.total:
        yield Attention(
            kind="bad",
            image="warning",
            words="The ledger is not what was recorded and signed.",
            detail=f"{counted(verified.total, 'finding')} on {absolute(verified.at)}.",
            url=f"{url_for('settings.ledger.show')}#verified",
            link="Ledger",
        )


def _views(conn: Any) -> Iterator[Attention]:
    for one in status.status(conn):
        if one.state == "stopped":
            yield Attention(
                kind="bad",
                image="warning",
                words=f"The view “{one.name}” stopped at event {number(one.position)}. Decisions are not affected.",
                detail=one.error or "",
                url=url_for("settings.audit.detail", position=one.position + 1),
                link="The event",
            )
    checked = last_check(conn)
    for name in checked.differing if checked else ():
        yield Attention(
            kind="bad",
            image="warning",
            words=f"The view “{name}” was not as the events say when it was last compared. Decisions are not affected.",
            detail=f"{counted(checked.differences[name], 'row')} differed on {absolute(checked.at)}." if checked else "",
            url=f"{url_for('settings.ledger.show')}#views",
            link="Ledger",
        )
    lag = status.lag(conn)
    if lag.stopped is None and lag.behind and lag.seconds > BEHIND_AFTER:
        yield Attention(
            kind="warn",
            image="clock",
            words=f"Views are {counted(lag.behind, 'event')} behind, catching up. Decisions are not affected.",
            url=url_for("settings.audit.list"),
            link="Audit log",
        )


def _reused(conn: Any, days: Sequence[Day]) -> Iterator[Attention]:
    count = sum(day.reuses for day in days)
    if not count:
        return
    last = next(iter(entries(conn, context.account_id(), event_type=_REUSE, limit=1)), None)
    who = f"Last through {plain_name(last.client_name or '')}, {absolute(last.created_at)}." if last else ""
    yield Attention(
        kind="bad",
        image="cross",
        words=f"A spent refresh token came back {'once' if count == 1 else f'{number(count)} times'} in {len(days)} days.",
        detail=f"{who} Each time the session ended. A stolen token looks like this; so does an app that runs twice from one copy.".strip(),
        url=f"{url_for('settings.sessions.list')}#ended",
        link="Sessions",
    )


def _waiting(conn: Any) -> Iterator[Attention]:
    found = find_integrations(conn, context.account_id(), status="pending", limit=_SHOWN)
    asked = approval_requests(conn, context.account_id(), [row.fingerprint for row in found.rows])
    for row in found.rows:
        requests = [one for one in asked if one.fingerprint == row.fingerprint]
        people = list(dict.fromkeys(one.member_name or "an erased member" for one in requests))
        scopes = list(dict.fromkeys(scope for one in requests for scope in one.requested))
        why = f" “{requests[0].reason}”" if requests and requests[0].reason else ""
        some = listed(people) if len(people) <= 3 else f"{people[0]} and {number(len(people) - 1)} others"
        yield Attention(
            kind="warn",
            image="gate",
            words=f"{plain_name(row.name)} waits for approval.",
            detail=f"Asked for by {some}, for {listed(scopes)}.{why}" if requests else "Nobody has asked for it yet.",
            url=url_for("settings.integrations.detail", page_id=row.client_stream),
            link="Review",
        )
    if found.total > len(found.rows):
        yield Attention(
            kind="warn",
            image="gate",
            words=f"{counted(found.total - len(found.rows), 'more app')} wait for approval.",
            url=url_for("settings.integrations.list", status="pending"),
            link="All that wait",
        )


def _failed_sign_ins(days: Sequence[Day]) -> Iterator[Attention]:
    week = days[-7:]
    failed = sum(day.failed_sign_ins for day in week)
    if failed:
        yield Attention(
            kind="warn" if failed >= _MANY_FAILED else "",
            image="lock",
            words=f"{counted(failed, 'sign-in')} failed in 7 days.",
            detail=f"{counted(sum(day.sign_ins for day in week), 'sign-in')} succeeded.",
            url=url_for("settings.audit.list", type=_FAILED),
            link="Which ones",
        )


def _unused(conn: Any) -> Iterator[Attention]:
    """Permissions that change things, given more than thirty days ago and not used since."""
    powerful = [code for code, scope in context.account().scopes.items() if scope.acts]
    found = unused_scopes(conn, context.account_id(), powerful, context.services().clock() - UNUSED_FOR)
    for one in found[:_SHOWN]:
        last = f"Last used {absolute(one.last_used_at)}." if one.last_used_at else "Never used."
        yield Attention(
            kind="warn",
            image="key",
            words=sentence(f"{plain_name(one.name)} may use {one.scope} for {counted(one.people, 'person', 'people')}, and has not for 30 days."),
            detail=last,
            url=f"{url_for('settings.integrations.detail', page_id=one.client_stream)}#gvu",
            link="Granted and used",
        )
    if len(found) > _SHOWN:
        yield Attention(
            kind="warn",
            image="key",
            words=f"{counted(len(found) - _SHOWN, 'more powerful permission')} unused for 30 days.",
            url=url_for("settings.integrations.list", sort="users"),
            link="App integrations",
        )
