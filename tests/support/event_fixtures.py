"""Frozen events: one JSON file per topic and class version, made once and never rewritten.

`python -m tests.support.event_fixtures` writes the files that are missing (for a new topic or version) and leaves the others alone.
"""

from __future__ import annotations

import json
import typing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from domain.base import Personal, RecordedEvent, Sealed
from infrastructure.store.facts import Facts
from infrastructure.store.mapper import EventMapper
from infrastructure.store.registry import topics

FOLDER = Path(__file__).parent.parent / "fixtures" / "events"

_STREAM = UUID("7b0e2f0e-3a53-4a8b-9a39-5a2a0d7f1c11")
_OTHER = "0f8fad5b-d9cb-469f-a165-70867728950e"
_AT = datetime(2026, 11, 24, 9, 30, 15, 123456, tzinfo=UTC)
_SEALED = Sealed(_OTHER, "9f86d081884c7d65", "AAECAwQFBgcICQoL", "3q2+796tvu/erb7v3q2+7w==", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
_KNOWN: dict[str, Any] = {
    "account_id": "b7c8b2a4-5f0e-5c39-8a57-0d2f6a1a0001",
    "actor_id": _OTHER,
    "client_stream": "3c9d0d6e-8f5a-4a52-9d0f-0a6c1c5f0003",
    "source": "ui",
    "salt": "00112233445566778899aabbccddeeff",
    "pinned": {"consent": 2, "client": 1, "member": 3, "account": 12},
    "lifetimes": {"access_token_ttl": 600, "idle_window": 604800, "absolute_lifetime": 7776000, "code_ttl": 60},
    "metadata": {"client_name": "Café ☕", "redirect_uris": ["http://127.0.0.1/callback"]},
    "scopes": ("account:read", "projects:query"),
    "judged": (2, 1, 3, 12),
    "projects": ("prj_0123456789ab",),
}


@dataclass(frozen=True, slots=True)
class Frozen:
    """One stored event as it once was written."""

    file: str
    stream_id: UUID
    version: int
    topic: str
    state: bytes


def frozen_events() -> list[Frozen]:
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        kept = json.loads(path.read_text())
        found.append(Frozen(path.name, UUID(kept["originator_id"]), kept["originator_version"], kept["topic"], kept["state"].encode()))
    return found


def file_for(event_class: type[RecordedEvent]) -> str:
    return f"{event_class.TOPIC}.v{getattr(event_class, 'class_version', 1)}.json"


def sample(event_class: type[RecordedEvent]) -> Any:
    """An event of the class with a plausible value in every field."""
    facts = Facts(event_class)
    hints = typing.get_type_hints(event_class, localns={"datetime": datetime})
    values = {name: _value(event_class, name, hints[name]) for name in facts.names}
    return typing.cast("Any", event_class)(originator_id=_STREAM, originator_version=7, timestamp=_AT, **values)


def _value(event_class: type[RecordedEvent], name: str, hint: Any) -> Any:
    if event_class.TOPIC == "account.scope_catalogue_published" and name == "scopes":
        return ({"code": "account:read", "permission": "account.read", "per_project": False, "title": "T", "description": "D"},)
    if name == "originator_topic":
        return event_class.TOPIC.split(".")[0]
    if name in _KNOWN:
        return _KNOWN[name]
    return _of_type(name, hint)


def _of_type(name: str, hint: Any) -> Any:
    members = typing.get_args(hint) if type(None) in typing.get_args(hint) else (hint,)
    kind = members[0]
    if Personal in (*typing.get_args(hint), hint):
        return _SEALED
    if typing.get_origin(kind) is typing.Literal:
        return typing.get_args(kind)[0]
    samples: dict[Any, Any] = {str: f"a {name}", int: 3, bool: True, datetime: _AT, dict: {"a": "b"}, tuple: (f"a {name}",)}
    return samples[typing.get_origin(kind) or kind]


def main() -> None:
    mapper = EventMapper(keyring=typing.cast("Any", None))
    for topic in topics().values():
        path = FOLDER / file_for(topic.event_class)
        if path.exists():
            continue
        event = sample(topic.event_class)
        name, state = mapper.encode(event)
        kept = {"topic": name, "originator_id": str(_STREAM), "originator_version": event.originator_version, "state": state.decode()}
        path.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
