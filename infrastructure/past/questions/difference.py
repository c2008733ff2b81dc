"""What changed between two moments: who could do more, less or something else, and because of which events."""

from __future__ import annotations

from datetime import UTC, datetime

from infrastructure.past.answers import Answer, Line, Past, counted
from infrastructure.past.comparison import Pair, Scopes, compared
from infrastructure.past.holders import Asked, Holders
from infrastructure.past.moments import moment_at
from infrastructure.past.questions.asked import Asking

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def difference(past: Past, asking: Asking) -> Answer:
    """A line for each person and app whose access was another at the later moment (`until`) than at the earlier (`since`)."""
    earlier = moment_at(past.connection, asking.since or _BEGINNING)
    later = asking.now if asking.until is None else moment_at(past.connection, asking.until)
    asked, holders = Asked(asking.member_id, asking.client_stream), Holders(past.connection, past.mapper, past.keyring, past.account_id)
    pairs = [pair for pair in compared(holders.at(earlier, asked), holders.at(later, asked)) if pair.change != "same"]
    lines = tuple(_line(pair) for pair in pairs)
    span = f"between events {earlier.position:,} and {later.position:,}"
    says = f"{counted(len(pairs), 'change')} {span}." if pairs else f"No: nothing changed {span}."
    return Answer("difference", later.position, later.at, says, lines)


def _line(pair: Pair) -> Line:
    facts = {
        "person": pair.member_name, "member_id": pair.member_id, "app": pair.client_name, "client_id": pair.client_id, "change": pair.change,
        "before": _scopes(pair.then), "after": _scopes(pair.now),
    }  # fmt: skip
    return Line(facts, {"stands on": tuple(sorted(pair.because))})


def _scopes(scopes: Scopes) -> dict[str, list[str] | None]:
    return {scope: None if projects is None else list(projects) for scope, projects in scopes.items()}
