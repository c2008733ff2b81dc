"""Makes the replay page's view from two answers of `infrastructure.past`: then and now."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import urlencode

from flask import url_for

from domain.account import Account
from infrastructure.past import changes
from infrastructure.past.changes import Ending
from infrastructure.past.comparison import Change, Pair, Scopes, compared
from infrastructure.past.holders import Asked, Held, Holders
from infrastructure.past.moments import Connection, Moment, head, moment_of
from web.pages.formatting import counted, listed, short_date
from web.pages.replay_models import Bar, Figure, Reach, Replay, Row

BARS: Final = 96
WIDTH, HEIGHT = 960, 56
MOST_ROWS: Final = 50
_ENDED: Final = {
    "revoked": "Revoked", "reuse_detected": "Reuse detected", "code_replayed": "Its code was used twice", "idle": "Not used for too long",
    "absolute": "Reached its end", "consent_withdrawn": "Consent withdrawn", "client_removed": "App removed", "app_blocked": "App blocked",
    "member_deactivated": "Person deactivated", "resource_removed": "Resource removed", "plan": "Plan without apps", "code": "Never begun",
    "access_token": "Its token ran out",
}  # fmt: skip


def replay(
    connection: Connection, holders: Holders, account: Account, moment: Moment, now: Moment, given: Mapping[str, str], *, only_changes: bool
) -> Replay:
    """The page at a moment, compared with `now`."""
    begun = time.perf_counter()
    asked = Asked(project_id=given.get("project") or None)
    then, today = (_of_person(holders.at(m, asked), given.get("user", "")) for m in (moment, now))
    pairs = compared(then, today)
    seconds = time.perf_counter() - begun
    account_id = str(account.id)
    lost = changes.endings(connection, account_id, sorted({g for pair in pairs if pair.change in ("lost", "narrowed") for g in pair.grants}))
    wanted = [pair for pair in pairs if not only_changes or pair.change != "same"]
    last, first, final = head(connection), moment_of(connection, 1), moment_of(connection, now.position)
    counts = Counter(pair.change for pair in pairs)
    return Replay(
        position=moment.position, head=last, at=moment.at, first_at=first.at if first else None, last_at=final.at if final else None,
        topic=changes.topic_at(connection, account_id, moment.position), events=moment.position, seconds=seconds,
        bars=_bars(changes.bars(connection, account_id, last, BARS), moment.position, last), cut=WIDTH * moment.position / max(last, 1),
        run=max(1, -(-last // BARS)), figures=_figures(then, today), counts=cast("dict[Change, int]", dict(counts)),
        rows=tuple(_row(pair, lost) for pair in wanted[:MOST_ROWS]), hidden=max(0, len(wanted) - MOST_ROWS),
        before=_link(changes.change_before(connection, account_id, moment.position), given),
        after=_link(changes.change_after(connection, account_id, moment.position), given), only_changes=only_changes,
        toggle=_toggle(moment.position, given, only_changes=only_changes), given=dict(given), projects=dict(account.projects),
    )  # fmt: skip


def _of_person(lines: Sequence[Held], user: str) -> list[Held]:
    wanted = user.strip().casefold()
    return [line for line in lines if not wanted or wanted in (line.member_name or "").casefold()]


def _link(position: int | None, given: Mapping[str, str]) -> str | None:
    return None if position is None else address(position, given)


def _toggle(position: int, given: Mapping[str, str], *, only_changes: bool) -> str:
    kept = {name: value for name, value in given.items() if name != "changes"}
    return address(position, kept if only_changes else {**kept, "changes": "only"})


def address(position: int | str, given: Mapping[str, str]) -> str:
    """The page at a position, with what the question was narrowed to."""
    return f"{url_for('settings.replay.show')}?{urlencode({'position': position, **given})}"


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


def _figures(then: Sequence[Held], today: Sequence[Held]) -> tuple[Figure, ...]:
    def both(label: str, count: Any) -> Figure:
        return Figure(label, count(then), count(today))

    return (
        both("People with access through apps", lambda lines: len({line.member_id for line in lines})),
        both("Apps", lambda lines: len({line.client_stream for line in lines})),
        both("Sessions", lambda lines: len({line.grant_id for line in lines})),
        both("People who could run jobs", lambda lines: len({line.member_id for line in lines if line.scope == "jobs:run"})),
    )


def _row(pair: Pair, lost: Mapping[str, Ending]) -> Row:
    ends = sorted((lost[g] for g in pair.grants if g in lost), key=lambda e: e.position or 0)
    cited = pair.because | {ending.position for ending in ends if ending.position is not None}
    return Row(
        member_id=pair.member_id, person=pair.member_name or "Erased", app=pair.client_name, client_id=pair.client_stream, then=_reach(pair.then),
        change=pair.change, words=_words(pair, ends), gone=pair.gone if pair.now else (), because=tuple(sorted(cited)),
    )  # fmt: skip


def _reach(scopes: Scopes) -> tuple[Reach, ...]:
    """Scopes gathered by where they hold."""
    places: dict[tuple[str, ...] | None, list[str]] = {}
    for scope, projects in scopes.items():
        places.setdefault(projects, []).append(scope)
    return tuple(Reach(tuple(found), "" if where is None else listed(where)) for where, found in places.items())


def _words(pair: Pair, ends: Sequence[Ending]) -> str:
    if pair.change == "gained":
        return f"{counted(len(pair.now), 'scope')} now"
    if pair.change == "lost":
        if not ends:
            return "The permission is gone"
        at = ends[-1].at
        return _ENDED.get(ends[-1].reason, "Ended") + (f", {short_date(at)}" if at else "")
    if pair.change == "widened":
        return f"Also {listed(pair.new)}" if pair.new else "In more projects"
    if pair.change in ("narrowed", "changed"):
        return "Lost" if pair.gone else "In fewer projects"
    return ""
