"""Two moments compared: whose access through which app differs, how, and which events made it so. For the page, the command and the API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from domain.errors import InvalidInput
from infrastructure.past.answers import Past
from infrastructure.past.changes import Ending, endings
from infrastructure.past.comparison import Pair, Scopes, compared
from infrastructure.past.holders import Asked, Held, Holders
from infrastructure.past.judging import TooMuch, Wanted, judged
from infrastructure.past.moments import Moment

MOST = 500
"""People and apps whose change the command and the API explain in one answer; the page explains the 50 that it shows."""
MOST_STEPS = 200_000
"""Later events times the sessions that stand on them, each some 17 µs."""
Where = tuple[str, str | None]
"""A scope and a project, None for a scope that knows no projects."""
Reach = dict[Where, list[Held]]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What held at two moments. `pairs`: every person and app of either, the changed ones first."""

    past: Past
    earlier: Moment
    later: Moment
    then: Sequence[Held]
    now: Sequence[Held]
    pairs: Sequence[Pair]

    @property
    def changed(self) -> list[Pair]:
        return [pair for pair in self.pairs if pair.change != "same"]


@dataclass(frozen=True, slots=True)
class Causes:
    """Which events changed a pair's access between the moments, by position; `ends` are the sessions of it that ended, in that order."""

    by: tuple[int, ...] = ()
    ends: tuple[Ending, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Difference:
    """A person's access through an app, changed between two moments: by these events, and standing on those."""

    member_id: str
    member_name: str | None
    client_id: str
    client_name: str
    change: Literal["gained", "lost", "narrowed", "widened", "changed"]
    before: Scopes
    after: Scopes
    changed_by: tuple[int, ...]
    because: tuple[int, ...]


def compare(past: Past, earlier: Moment, later: Moment, asked: Asked, *, person: str = "") -> Comparison:
    """Both answers side by side; `person` keeps those whose name holds it."""
    holders = Holders(past.connection, past.mapper, past.keyring, past.account_id)
    then, now = (_of_person(holders.at(moment, asked), person) for moment in (earlier, later))
    return Comparison(past, earlier, later, then, now, compared(then, now))


def _of_person(lines: Sequence[Held], person: str) -> list[Held]:
    wanted = person.strip().casefold()
    return [line for line in lines if not wanted or wanted in (line.member_name or "").casefold()]


def differences(found: Comparison, narrowing: str) -> list[Difference]:
    """All that differs, with its causes; `InvalidInput` where that is too much for one answer. `narrowing`: by what the caller can ask for less."""
    pairs = found.changed
    less = f"narrow it by {narrowing}, or compare moments that are closer together."
    if len(pairs) > MOST:
        raise InvalidInput(f"The access of {len(pairs):,} people through their apps differs, more than the {MOST:,} that one answer explains: {less}")
    try:
        told = causes(found, pairs, MOST_STEPS)
    except TooMuch as error:
        steps = f"{error.steps:,} steps (each later event for each session that it concerns), more than {MOST_STEPS:,}"
        raise InvalidInput(f"To explain this takes {steps}: {less}") from error
    return [_difference(pair, told[key(pair)]) for pair in pairs]


def _difference(pair: Pair, cause: Causes) -> Difference:
    assert pair.change != "same"
    return Difference(
        member_id=pair.member_id, member_name=pair.member_name, client_id=pair.client_id, client_name=pair.client_name, change=pair.change,
        before=pair.then, after=pair.now, changed_by=cause.by, because=tuple(sorted(pair.because)),
    )  # fmt: skip


def key(pair: Pair | Held) -> Key:
    return pair.member_id, pair.client_stream


# ---- which events did it


def causes(found: Comparison, pairs: Iterable[Pair], most_steps: int | None = None) -> dict[Key, Causes]:
    """For each the events that changed it. The end of a session and what a new line stands on say it at once; the rest is explained together, in
    `most_steps` at most (`TooMuch`)."""
    wanted = list(pairs)
    ended = _ended(found, wanted)
    then, now = _reach(found.then, wanted), _reach(found.now, wanted)
    told = [(key(pair), _told(found, pair, ended, then.get(key(pair), {}), now.get(key(pair), {}))) for pair in wanted]
    asked = [(pair_key, one) for pair_key, (_, unclear) in told for one in unclear]
    by = {pair_key: {*clear.by} for pair_key, (clear, _) in told}
    for (pair_key, _), positions in zip(asked, _explained(found, [one for _, one in asked], most_steps), strict=True):
        by[pair_key] |= positions
    return {pair_key: Causes(tuple(sorted(by[pair_key])), clear.ends) for pair_key, (clear, _) in told}


def _ended(found: Comparison, pairs: Sequence[Pair]) -> dict[str, Ending]:
    """The sessions that ended between the two moments."""
    told = endings(found.past.connection, found.past.account_id, sorted({grant for pair in pairs for grant in pair.grants}))
    return {grant: end for grant, end in told.items() if _within(end, found.later)}


def _within(end: Ending, later: Moment) -> bool:
    return end.position <= later.position if end.position is not None else end.at is not None and end.at <= later.at


def _reach(lines: Iterable[Held], pairs: Iterable[Pair]) -> dict[Key, Reach]:
    """Where each scope of these pairs held, and the lines that say so."""
    wanted, found = {key(pair) for pair in pairs}, dict[Key, Reach]()
    for line in lines:
        if key(line) in wanted:
            for project in (None,) if line.projects is None else line.projects:
                found.setdefault(key(line), {}).setdefault((line.scope, project), []).append(line)
    return found


def _told(found: Comparison, pair: Pair, ended: Mapping[str, Ending], then: Reach, now: Reach) -> tuple[Causes, list[Wanted]]:
    """What says at once why a pair changed, and what has to be explained."""
    lost, gained = sorted(then.keys() - now.keys(), key=str), sorted(now.keys() - then.keys(), key=str)
    gone = {line.grant_id for where in lost for line in then[where]}
    ends = sorted((ended[grant] for grant in gone & ended.keys()), key=lambda end: end.position or 0)
    by, unclear = {end.position for end in ends if end.position is not None}, list[Wanted]()
    lives_on = next((where for where in lost if any(line.grant_id not in ended for line in then[where])), None)
    if lives_on is not None:
        unclear.append(Wanted(pair.member_id, pair.client_stream, *lives_on, grants=frozenset(pair.grants)))
    if gained:
        new = {position for where in gained for line in now[where] for position in line.cited if position > found.earlier.position}
        by |= new
        if not new:
            unclear.append(Wanted(pair.member_id, pair.client_stream, *gained[0]))
    return Causes(tuple(sorted(by)), tuple(ends)), unclear


def _explained(found: Comparison, asked: Sequence[Wanted], most_steps: int | None) -> Iterator[set[int]]:
    """For each the events since the earlier moment that conditions fail for (of the sessions that held then), or hold for, at the later one:
    of the session that comes closest."""
    for wanted, sessions in zip(asked, judged(found.past, asked, found.later, found.earlier.position, most_steps), strict=True):
        closest = next((session for session in sessions if session.found), None)
        told = () if closest is None else closest.found.values()
        yield {c.position for c in told if c.holds is (wanted.grants is None) and c.position is not None and c.position > found.earlier.position}
