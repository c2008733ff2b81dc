"""Members: role, permissions and where they hold, whether the person may act, and when they last signed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from domain.extent import Extent, Projects
from domain.scopes import per_project
from projections.events import Event, PersonalReader, handle

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Folded:
    """The rows that changed, whole, by member id; then the members (account id, member id) whose reasons must go from all rows."""

    changed: dict[str, Row]
    erased: list[tuple[str, str]]


def fold(events: Sequence[Event], rows: Mapping[str, Row], reader: PersonalReader) -> Folded:
    """What these events change in the rows that stood before (by member id). A reason of somebody erased is read no more, so all go at the end."""
    folding = _Fold(rows, reader)
    handle(events, folding.handlers)
    return Folded(folding.changed, folding.erased_members)


def keys(events: Sequence[Event]) -> list[str]:
    """The members that these events are about."""
    return list(dict.fromkeys(e.facts.get("member_id", "") if e.topic == "sign_in.succeeded" else e.stream_id for e in events))


class _Fold:
    def __init__(self, rows: Mapping[str, Row], reader: PersonalReader) -> None:
        self.rows = rows
        self.reader = reader
        self.changed: dict[str, Row] = {}
        self.erased_members: list[tuple[str, str]] = []
        self.handlers: dict[str, Callable[[Event], None]] = {topic: getattr(self, name) for topic, name in _HANDLERS.items()}

    def row(self, member_id: str) -> Row:
        found = self.changed.get(member_id)
        if found is None:
            found = self.changed[member_id] = dict(self.rows[member_id])
        return found

    def added(self, event: Event) -> None:
        facts = event.facts
        self.changed[event.stream_id] = {
            "member_id": event.stream_id, "account_id": event.account_id, "name": self.reader.read(facts["name"], event.event_id),
            "email": self.reader.read(facts["email"], event.event_id), "role": facts["role"], "active": True, "erased": False,
            "permissions": _with_role({}, facts), "added": event.time, "added_by": event.actor_id, "added_how": facts["by"],
            "added_position": event.position, "changed_position": event.position, "deactivated": None, "deactivated_by": None,
            "deactivated_reason": None, "deactivated_reason_of": None, "last_sign_in": None,
        }  # fmt: skip

    def role_changed(self, event: Event) -> None:
        row = self.row(event.stream_id)
        row.update(role=event.facts["role"], permissions=_with_role(row["permissions"], event.facts), changed_position=event.position)

    def granted(self, event: Event) -> None:
        row, permission = self.row(event.stream_id), event.facts["permission"]
        extent = _extent(row["permissions"].get(permission)).adding(_projects(event.facts), 0)
        row.update(permissions={**row["permissions"], permission: _described(extent)}, changed_position=event.position)

    def revoked(self, event: Event) -> None:
        row, permission = self.row(event.stream_id), event.facts["permission"]
        extent = _extent(row["permissions"].get(permission)).removing(_projects(event.facts))
        row.update(permissions={**row["permissions"], permission: _described(extent)}, changed_position=event.position)

    def deactivated(self, event: Event) -> None:
        reason = self.reader.reason(event)
        self.row(event.stream_id).update(
            active=False, deactivated=event.time, deactivated_by=event.actor_id, deactivated_reason=reason.text, deactivated_reason_of=reason.of,
            changed_position=event.position,
        )  # fmt: skip

    def reactivated(self, event: Event) -> None:
        self.row(event.stream_id).update(
            active=True, deactivated=None, deactivated_by=None, deactivated_reason=None, deactivated_reason_of=None, changed_position=event.position
        )

    def profile_changed(self, event: Event) -> None:
        name, email = (self.reader.read(event.facts[field], event.event_id) for field in ("name", "email"))
        self.row(event.stream_id).update(name=name, email=email, changed_position=event.position)

    def erased(self, event: Event) -> None:
        self.reader.forget(event.stream_id)
        self.erased_members.append((event.account_id, event.stream_id))
        row = self.row(event.stream_id)
        row.update(
            active=False, erased=True, name=None, email=None, deactivated=row["deactivated"] or event.time, deactivated_reason=None,
            deactivated_reason_of=None, changed_position=event.position,
        )  # fmt: skip

    def signed_in(self, event: Event) -> None:
        self.row(event.facts["member_id"])["last_sign_in"] = event.time


_HANDLERS = {
    "member.added": "added",
    "member.role_changed": "role_changed",
    "member.permission_granted": "granted",
    "member.permission_revoked": "revoked",
    "member.deactivated": "deactivated",
    "member.reactivated": "reactivated",
    "member.profile_changed": "profile_changed",
    "member.erased": "erased",
    "sign_in.succeeded": "signed_in",
}

TOPICS = frozenset(_HANDLERS)


def _with_role(before: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    projects = _projects(facts)
    return {p: _described(_extent(before.get(p)).replaced_by(projects if per_project(p) else "*", 0)) for p in facts["permissions"]}


def _projects(facts: dict[str, Any]) -> Projects:
    return "*" if facts["projects"] == "*" else tuple(facts["projects"])


def _extent(described: dict[str, Any] | None) -> Extent:
    if described is None:
        return Extent()
    return Extent(0 if described["all"] else None, dict.fromkeys(described["projects"], 0), frozenset(described["except"]))


def _described(extent: Extent) -> dict[str, Any]:
    return {"all": extent.all_since is not None, "projects": sorted(extent.named), "except": sorted(extent.excluded)}
