"""A sign-in of a person at the browser: succeeded and later ended, or failed."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from domain.base import Context, PersonalField, RecordedAnyTime, Stream, topic

Method = Literal["password", "sso"]


@topic("sign_in")
class SignIn(Stream):
    """State of a sign-in stream; `address` and `user_agent` are sealed for its first event."""

    TOPIC: ClassVar[str]

    def __init__(self) -> None:
        self.member_id: str | None = None
        self.live = False
        self.method: Method = "password"
        self.address: PersonalField = None
        self.user_agent: PersonalField = None

    class Event(RecordedAnyTime):
        STREAM = "sign_in"

    @topic("sign_in.succeeded")
    class Succeeded(Event):
        member_id: str
        method: Method

        def apply(self, aggregate: SignIn) -> None:
            aggregate.member_id, aggregate.live, aggregate.method = self.member_id, True, self.method
            aggregate.address, aggregate.user_agent = self.address, self.user_agent

    @topic("sign_in.failed")
    class Failed(Event):
        """`member_id` where the login exists; else `login_key`, a keyed hash of the day of what was typed. `count`: of several above a rate."""

        method: Method
        member_id: str | None
        login_key: str | None
        reason: str
        count: int

    @topic("sign_in.ended")
    class Ended(Event):
        """`member_id`: whose sign-in it was; None in events of before it was recorded."""

        class_version = 2
        reason: str
        member_id: str | None

        @staticmethod
        def upcast_v1_v2(state: dict[str, Any]) -> None:
            state["member_id"] = None

        def apply(self, aggregate: SignIn) -> None:
            aggregate.live = False

    def succeed(self, context: Context, member_id: str, method: Method) -> None:
        self.record(self.Succeeded, context, member_id=member_id, method=method)

    def fail(self, context: Context, **facts: Any) -> None:
        """Facts: those of `Failed`."""
        self.record(self.Failed, context, **facts)

    def end(self, context: Context, reason: str) -> None:
        if self.live:
            self.record(self.Ended, context, reason=reason, member_id=self.member_id)
