"""Every event topic of the domain with its class and the aggregate it belongs to."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache

from eventsourcing.utils import TopicError, resolve_topic

import domain
from domain.base import RecordedEvent, Stream


@dataclass(frozen=True, slots=True)
class Topic:
    """One event topic."""

    name: str
    event_class: type[RecordedEvent]
    stream_class: type[Stream]


@cache
def topics() -> dict[str, Topic]:
    """All event topics by name; imports every module of the domain."""
    for module in pkgutil.iter_modules(domain.__path__):
        importlib.import_module(f"domain.{module.name}")
    streams = [s for s in Stream.__subclasses__() if s.__module__.startswith("domain.")]
    return {t.name: t for stream in streams for t in _of(stream)}


def _of(stream: type[Stream]) -> list[Topic]:
    nested = [c for c in vars(stream).values() if isinstance(c, type) and issubclass(c, RecordedEvent) and "TOPIC" in vars(c)]
    return [Topic(c.TOPIC, c, stream) for c in nested if _registered(c)]


def _registered(event_class: type[RecordedEvent]) -> bool:
    """Bases such as `TokensIssued` have a topic but are never written."""
    try:
        return resolve_topic(event_class.TOPIC) is event_class
    except TopicError:
        return False
