"""How an event class is written and read: the order and kind of its fields, found once per class."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import itemgetter
from typing import Any, NotRequired

import msgspec

from domain.base import Personal, RecordedEvent, Sealed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_STATE = frozenset({"originator_id", "originator_version", "timestamp", "_"})
_MICROSECOND = timedelta(microseconds=1)
_typed_dict: Any = typing.TypedDict  # called at run time, which type checkers do not follow


def micros(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime; a naive one raises `TypeError`."""
    return (moment - EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """The UTC datetime of `micros`."""
    return EPOCH + timedelta(microseconds=value)


class Facts:
    """One event class: `names` in the order written after `timestamp`, which of them are personal or times, and the typed decoder.

    `written` are all names in the order written, `values` takes them out of a mapping.
    """

    def __init__(self, event_class: type[RecordedEvent]) -> None:
        self.event_class = event_class
        self.topic = event_class.TOPIC
        self.class_version: int = getattr(event_class, "class_version", 1)
        hints = typing.get_type_hints(event_class, localns={"datetime": datetime})
        fields = [f for f in dataclasses.fields(typing.cast("Any", event_class)) if f.name not in _NOT_STATE]
        self.names = tuple(f.name for f in fields)
        self.personal = tuple(n for n in self.names if _is_personal(hints[n]))
        self.times = tuple(n for n in self.names if datetime in _members(hints[n]))
        self.written = ("timestamp", *(("class_version",) if self.class_version > 1 else ()), *self.names)
        self.values: Callable[[dict[str, Any]], tuple[Any, ...]] = itemgetter(*self.written)
        stored: dict[str, Any] = {"timestamp": int, "class_version": NotRequired[int]}
        for field in fields:
            kind = _stored_type(hints[field.name])
            stored[field.name] = kind if field.default is dataclasses.MISSING else NotRequired[kind]
        self._shape: Any = _typed_dict(event_class.__name__, stored)
        self.decode: Callable[[bytes], dict[str, Any]] = msgspec.json.Decoder(self._shape).decode

    def convert(self, state: dict[str, Any]) -> dict[str, Any]:
        """An upcast state in the types of the class."""
        return typing.cast("dict[str, Any]", msgspec.convert(state, self._shape))


@cache
def facts_of(event_class: type[RecordedEvent]) -> Facts:
    """The facts of a class, the same for every store of the process."""
    return Facts(event_class)


def _members(hint: Any) -> tuple[Any, ...]:
    """The members of a union, or the type alone."""
    return typing.get_args(hint) if _is_union(hint) else (hint,)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, type(int | str))


def _is_personal(hint: Any) -> bool:
    return Personal in _members(hint)


def _stored_type(hint: Any) -> Any:
    """The type as stored: times are integers, personal values sealed, and a literal any string (what was once allowed stays readable)."""
    kinds = [_stored_member(m) for m in _members(hint) if m is not Personal]
    return typing.Union[tuple(kinds)]  # noqa: UP007 - made at run time


def _stored_member(kind: Any) -> Any:
    if kind is datetime:
        return int
    if typing.get_origin(kind) is typing.Literal:
        return str
    return Sealed if kind is Sealed else kind
