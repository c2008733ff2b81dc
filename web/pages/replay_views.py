"""Makes the replay page's view from two answers of `infrastructure.past`: at a moment, and at a later one or now."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlencode

from flask import url_for

from domain.account import Account
from infrastructure.past import changes
from infrastructure.past.answers import Past
from infrastructure.past.comparison import Change, Pair, Scopes
from infrastructure.past.holders import Held
from infrastructure.past.moments import Moment, head, moment_of
from web.differences import Causes, causes, compare, key
from web.pages import explain_views
from web.pages.formatting import counted, listed, short_date
from web.pages.replay_asking import Narrowed
from web.pages.replay_models import Bar, Figure, Later, Reach, Replay, Row

BARS: Final = 96
WIDTH, HEIGHT = 960, 56
MOST_ROWS: Final = 50
_ENDED: Final = {
    "revoked": "Revoked", "reuse_detected": "Reuse detected", "code_replayed": "Its code was used twice", "idle": "Not used for too long",
    "absolute": "Reached its end", "consent_withdrawn": "Consent withdrawn", "client_removed": "App removed", "app_blocked": "App blocked",
    "member_deactivated": "Person deactivated", "resource_removed": "Resource removed", "plan": "Plan without apps", "code": "Never begun",
    "access_token": "Its token ran out",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Span:
    """The two moments, and the newest; `until` is what the link says of the later one, empty where it is compared with now."""

    moment: Moment
    later: Moment
    now: Moment
    until: str

    @property
    def with_now(self) -> bool:
        return self.later.position == self.now.position


def replay(past: Past, account: Account, span: Span, narrowed: Narrowed) -> Replay:
    """The page at a moment, compared with a later one."""
    given, only_changes = narrowed.given, narrowed.given.get("changes") == "only"
    connection, account_id, moment = past.connection, past.account_id, span.moment
    begun = time.perf_counter()
    found = compare(past, moment, span.later, narrowed.asked, person=narrowed.person)
    wanted = [pair for pair in found.pairs if not only_changes or pair.change != "same"]
    told = causes(found, [pair for pair in wanted[:MOST_ROWS] if pair.change != "same"])
    seconds = time.perf_counter() - begun
    last, first, final = head(connection), moment_of(connection, 1), moment_of(connection, span.now.position)
    counts = Counter(pair.change for pair in found.pairs)
    kept = {**({"until": span.until} if span.until else {}), **given}
    following = changes.change_after(connection, account_id, moment.position)
    return Replay(
        position=moment.position, later=_later(past, span, moment, given), head=last, at=moment.at, first_at=first.at if first else None,
        last_at=final.at if final else None, topic=changes.topic_at(connection, account_id, moment.position), events=span.later.position,
        seconds=seconds, bars=_bars(changes.bars(connection, account_id, last, BARS), moment.position, last), cut=_place(moment.position, last),
        run=max(1, -(-last // BARS)), figures=_figures(found.then, found.now), counts=cast("dict[Change, int]", dict(counts)),
        rows=tuple(_row(pair, told.get(key(pair), Causes()), span) for pair in wanted[:MOST_ROWS]), hidden=max(0, len(wanted) - MOST_ROWS),
        before=_link(changes.change_before(connection, account_id, moment.position), kept),
        after=_link(following if following and (not span.until or following <= span.later.position) else None, kept), only_changes=only_changes,
        toggle=_toggle(moment.position, kept, only_changes=only_changes), given=dict(given), projects=dict(account.projects),
        nothing=_nothing(narrowed, span),
    )  # fmt: skip


def _nothing(narrowed: Narrowed, span: Span) -> str:
    if narrowed.problems:
        return "There is nothing to compare: what it was narrowed to was not found."
    return f"No app could do anything {narrowed.words}, then or {'now' if span.with_now else 'later'}."


def _later(past: Past, span: Span, moment: Moment, given: Mapping[str, str]) -> Later:
    position, last = span.later.position, span.now.position
    topic = changes.topic_at(past.connection, past.account_id, position)
    return Later(position, span.later.at, span.with_now, bool(span.until), _place(position, last), topic, address(moment.position, given))


def _link(position: int | None, given: Mapping[str, str]) -> str | None:
    return None if position is None else address(position, given)


def _toggle(position: int, given: Mapping[str, str], *, only_changes: bool) -> str:
    kept = {name: value for name, value in given.items() if name != "changes"}
    return address(position, kept if only_changes else {**kept, "changes": "only"})


def address(position: int | str, given: Mapping[str, str]) -> str:
    """The page at a position, with what it is compared with and what the question was narrowed to."""
    return f"{url_for('settings.replay.show')}?{urlencode({'position': position, **given})}"


def _place(position: int, last: int) -> float:
    return WIDTH * position / max(last, 1)


def _bars(counts: Sequence[int], position: int, last: int) -> tuple[Bar, ...]:
    most, step = max(counts, default=0), WIDTH / BARS
    if not most:
        return ()
    heights = [max(2.0, (HEIGHT - 2) * count / most) if count else 0.0 for count in counts]
    return tuple(
        Bar(round(n * step + 1, 1), round(HEIGHT - height, 1), round(step - 2, 1), round(height, 1), past=n * last / BARS < position)
        for n, height in enumerate(heights)
        if height
    )


def _figures(then: Sequence[Held], later: Sequence[Held]) -> tuple[Figure, ...]:
    def both(label: str, count: Any) -> Figure:
        return Figure(label, count(then), count(later))

    return (
        both("People with access through apps", lambda lines: len({line.member_id for line in lines})),
        both("Apps", lambda lines: len({line.client_stream for line in lines})),
        both("Sessions", lambda lines: len({line.grant_id for line in lines})),
        both("People who could run jobs", lambda lines: len({line.member_id for line in lines if line.scope == "jobs:run"})),
    )


# ---- one row


def _row(pair: Pair, cause: Causes, span: Span) -> Row:
    changed, ids = pair.change != "same", (pair.member_id, pair.client_stream)
    later = explain_views.why(*ids, pair.gone or pair.new or pair.now or pair.then, **(_asked(span.later, span) if span.until else {}))
    return Row(
        member_id=pair.member_id, person=pair.member_name or "Erased", app=pair.client_name, client_id=pair.client_stream, then=_reach(pair.then),
        change=pair.change, words=_words(pair, cause, span), gone=pair.gone if pair.now else (), new=pair.new if changed else (), by=cause.by,
        because=tuple(sorted({*pair.because, *cause.by})), why_then=explain_views.why(*ids, pair.then or pair.now, **_asked(span.moment, span)),
        why_later=later if changed else "",
    )  # fmt: skip


def _asked(moment: Moment, span: Span) -> dict[str, str]:
    """The moment in a link: after the last event it is the clock that counts, as time alone ends sessions too."""
    return {"at": moment.at.isoformat()} if moment.position == span.now.position else {"position": str(moment.position)}


def _reach(scopes: Scopes) -> tuple[Reach, ...]:
    """Scopes gathered by where they hold."""
    places: dict[tuple[str, ...] | None, list[str]] = {}
    for scope, projects in scopes.items():
        places.setdefault(projects, []).append(scope)
    return tuple(Reach(tuple(found), "" if where is None else listed(where)) for where, found in places.items())


def _words(pair: Pair, cause: Causes, span: Span) -> str:
    if pair.change == "gained":
        return f"{counted(len(pair.now), 'scope')} {'now' if span.with_now else 'by then'}"
    if pair.change == "lost":
        if not cause.ends:
            return "The permission is gone"
        at = cause.ends[-1].at
        return _ENDED.get(cause.ends[-1].reason, "Ended") + (f", {short_date(at)}" if at else "")
    if pair.change == "widened":
        return "Also" if pair.new else "In more projects"
    if pair.change in ("narrowed", "changed"):
        return "Lost" if pair.gone else "In fewer projects"
    return ""
