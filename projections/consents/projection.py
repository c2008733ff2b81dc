"""Consents: one row for a member and a client, as the last event left it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from projections.events import Event, PersonalReader, handle

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Folded:
    """The rows that changed, whole, by consent id; then the members (account id, member id) whose reasons must go from all rows."""

    changed: dict[str, Row]
    erased: list[tuple[str, str]]


def fold(events: Sequence[Event], rows: Mapping[str, Row], reader: PersonalReader) -> Folded:
    """What these events change in the rows that stood before (by consent id). A reason of somebody erased is read no more, so all go at the end."""
    folding = _Fold(rows, reader)
    handle(events, folding.handlers)
    return Folded(folding.changed, folding.erased_members)


def keys(events: Sequence[Event]) -> list[str]:
    """The consents that these events are about."""
    return list(dict.fromkeys(e.stream_id for e in events if e.topic.startswith("consent.")))


class _Fold:
    def __init__(self, rows: Mapping[str, Row], reader: PersonalReader) -> None:
        self.rows = rows
        self.reader = reader
        self.changed: dict[str, Row] = {}
        self.erased_members: list[tuple[str, str]] = []
        self.handlers: dict[str, Callable[[Event], None]] = {
            "consent.given": self.given,
            "consent.refused": self.refused,
            "consent.narrowed": self.narrowed,
            "consent.withdrawn": self.withdrawn,
            "member.erased": self.erased,
        }

    def row(self, event: Event) -> Row:
        """The row as it stands, to be changed; a new one begins with who and what."""
        found = self.changed.get(event.stream_id)
        if found is None:
            before = self.rows.get(event.stream_id)
            found = self.changed[event.stream_id] = _blank(event) if before is None else dict(before)
        return found

    def given(self, event: Event) -> None:
        facts = event.facts
        self.row(event).update(
            member_id=facts["member_id"], client_stream=facts["for_client"], in_force=True, version=event.version, requested=facts["requested"],
            approved=facts["approved"], denied=facts["denied"], projects=_projects(facts), keep_alive=facts["keep_alive"], resource=facts["resource"],
            lifetimes=facts["lifetimes"], text=facts["text"], held=facts["held"], grant_id=facts["grant_id"], given=event.time,
            given_position=event.position, changed=event.time, changed_position=event.position, ended=None, ended_by=None, ended_reason=None,
            ended_reason_of=None, ended_position=None,
        )  # fmt: skip

    def refused(self, event: Event) -> None:
        facts = event.facts
        row = self.row(event)
        row.update(member_id=facts["member_id"], client_stream=facts["for_client"], refused=event.time, refused_position=event.position)
        if not row["given_position"]:
            row.update(requested=facts["requested"], resource=facts["resource"], text=facts["text"], version=event.version)

    def narrowed(self, event: Event) -> None:
        facts = event.facts
        self.row(event).update(
            approved=facts["approved"], projects=_projects(facts), version=event.version, changed=event.time, changed_position=event.position
        )

    def withdrawn(self, event: Event) -> None:
        reason = self.reader.reason(event)
        self.row(event).update(
            in_force=False, version=event.version, changed=event.time, changed_position=event.position, ended=event.time, ended_by=event.actor_id,
            ended_reason=reason.text, ended_reason_of=reason.of, ended_position=event.position,
        )  # fmt: skip

    def erased(self, event: Event) -> None:
        self.reader.forget(event.stream_id)
        self.erased_members.append((event.account_id, event.stream_id))


TOPICS = frozenset({"consent.given", "consent.refused", "consent.narrowed", "consent.withdrawn", "member.erased"})


def _projects(facts: dict[str, Any]) -> list[str] | None:
    return None if facts["projects"] == "*" else facts["projects"]


def _blank(event: Event) -> Row:
    return {
        "consent_id": event.stream_id, "account_id": event.account_id, "member_id": None, "client_stream": None, "in_force": False,
        "version": event.version, "requested": [], "approved": [], "denied": [], "projects": [], "keep_alive": False, "resource": "",
        "lifetimes": {}, "text": "", "held": [], "grant_id": None, "given": None, "given_position": None, "changed": event.time,
        "changed_position": event.position, "refused": None, "refused_position": None, "ended": None, "ended_by": None, "ended_reason": None,
        "ended_reason_of": None, "ended_position": None,
    }  # fmt: skip
