"""What was done through a client at a protected resource: one event a stream."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from domain.base import Context, RecordedAnyTime, Stream, topic

Outcome = Literal["ok", "refused", "failed"]


@topic("activity")
class Activity(Stream):
    """A stream of exactly one event."""

    TOPIC: ClassVar[str]

    def __init__(self) -> None:
        """Holds no state; without this the library would make one that wants `account_id`."""

    class Event(RecordedAnyTime):
        STREAM = "activity"

    @topic("action.performed")
    class Performed(Event):
        """The member (`actor_id`) did `operation` on `resource` through the client, under a grant, in these projects.

        `detail` says why it was refused or failed.
        """

        grant_id: str
        client_id: str
        resource: str
        operation: str
        scope: str | None
        projects: tuple[str, ...]
        outcome: Outcome
        detail: str | None

    @classmethod
    def performed(cls, stream_id: Any, context: Context, **facts: Any) -> Activity:
        """Facts: those of `Performed`."""
        activity = cls.blank(stream_id, context)
        activity.record(cls.Performed, context, **facts)
        return activity
