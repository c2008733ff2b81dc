"""Apps and their registrations: what each event adds, changes, decides or removes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from projections.events import Event, PersonalReader
from projections.folding import Folding


@dataclass(slots=True)
class Rows:
    """Changes that don't depend on each other's order: first registrations, when clients were last used (microseconds), who asked for approval."""

    registered: dict[str, dict[str, Any]] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    asked: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.registered or self.used or self.asked)


@dataclass(frozen=True, slots=True)
class Changed:
    """A client whose metadata, and perhaps whose app, is another now; `again`: registered again after its removal."""

    row: dict[str, Any]
    again: bool


@dataclass(frozen=True, slots=True)
class Removed:
    account_id: str
    client_stream: str
    at: int
    by: str
    actor: str | None
    reason: str | None
    position: int


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision about an app; `status` None leaves it, `verified` None leaves that."""

    account_id: str
    fingerprint: str
    status: str | None
    verified: bool | None
    at: int
    by: str | None
    reason: str | None
    position: int


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A member who was erased: the reasons they gave go."""

    account_id: str
    member_id: str


Step = Rows | Changed | Removed | Decided | Scrubbed


def fold(events: Iterable[Event], reader: PersonalReader) -> list[Step]:
    """The steps to take, one after the other."""
    return _Fold(reader, Rows, _HANDLERS).fold(events)


class _Fold(Folding[Rows]):
    def registered(self, event: Event) -> None:
        row = {**_client(event), "reason": self.reader.reason(event).text}
        if event.version == 1:
            self.rows.registered[event.stream_id] = row
        else:
            self.barrier(Changed(row, again=True))

    def metadata_changed(self, event: Event) -> None:
        self.barrier(Changed(_metadata(event), again=False))

    def removed(self, event: Event) -> None:
        reason = self.reader.reason(event).text
        self.barrier(Removed(event.account_id, event.stream_id, event.time, event.facts["by"], event.actor_id, reason, event.position))

    def approved(self, event: Event) -> None:
        self._decided(event, "approved")

    def blocked(self, event: Event) -> None:
        self._decided(event, "blocked")

    def unblocked(self, event: Event) -> None:
        self._decided(event, "unblocked")

    def verified(self, event: Event) -> None:
        self._decided(event, None, verified=bool(event.facts["verified"]))

    def used(self, event: Event) -> None:
        client = event.facts.get("client_stream")
        if client:
            self.rows.used[client] = max(event.time, self.rows.used.get(client, 0))

    def asked(self, event: Event) -> None:
        facts = event.facts
        self.rows.asked[facts["for_client"], facts["member_id"]] = {
            "account_id": event.account_id, "client_stream": facts["for_client"], "member_id": facts["member_id"], "requested": facts["requested"],
            "reason": self.reader.reason(event).text, "asked": event.time, "position": event.position,
        }  # fmt: skip

    def erased(self, event: Event) -> None:
        self.reader.forget(event.stream_id)
        self.barrier(Scrubbed(event.account_id, event.stream_id))

    def _decided(self, event: Event, status: str | None, *, verified: bool | None = None) -> None:
        reason, print_ = self.reader.reason(event).text, event.facts["fingerprint"]
        self.barrier(Decided(event.account_id, print_, status, verified, event.time, event.actor_id, reason, event.position))


_HANDLERS = {
    "client.registered": "registered",
    "client.metadata_changed": "metadata_changed",
    "client.removed": "removed",
    "account.app_approved": "approved",
    "account.app_blocked": "blocked",
    "account.app_unblocked": "unblocked",
    "account.app_verified": "verified",
    "grant.code_exchanged": "used",
    "grant.tokens_refreshed": "used",
    "action.performed": "used",
    "consent.approval_requested": "asked",
    "member.erased": "erased",
}

TOPICS = frozenset(_HANDLERS)


def _metadata(event: Event) -> dict[str, Any]:
    facts = event.facts
    metadata = facts["metadata"]
    name = metadata.get("client_name")
    return {
        "client_stream": event.stream_id, "account_id": event.account_id, "name": name if isinstance(name, str) else "",
        "redirect_uris": metadata["redirect_uris"], "metadata": metadata, "fingerprint": facts["fingerprint"], "position": event.position,
    }  # fmt: skip


def _client(event: Event) -> dict[str, Any]:
    facts = event.facts
    return {
        **_metadata(event), "client_id": facts["client_id"], "registration": facts["registration"], "needs_approval": facts["needs_approval"],
        "created": event.time, "registered_by": event.actor_id, "source": facts.get("source"),
    }  # fmt: skip
