"""A signing key of an account: published, used after every worker has read it, retired when its last token has died."""

from __future__ import annotations

from typing import ClassVar, Literal

from domain.base import Context, RecordedAnyTime, Stream, topic
from domain.errors import Refused

Use = Literal["token", "assertion"]


@topic("signing_key")
class SigningKey(Stream):
    """State of a signing key stream; the key itself stands in the table `signing_keys`."""

    TOPIC: ClassVar[str]

    def __init__(self) -> None:
        self.kid = ""
        self.use: Use = "token"
        self.status: Literal["new", "published", "active", "retired"] = "new"

    class Event(RecordedAnyTime):
        STREAM = "signing_key"

    @topic("signing_key.published")
    class Published(Event):
        kid: str
        use: Use
        alg: str

        def apply(self, aggregate: SigningKey) -> None:
            aggregate.kid, aggregate.use, aggregate.status = self.kid, self.use, "published"

    @topic("signing_key.activated")
    class Activated(Event):
        def apply(self, aggregate: SigningKey) -> None:
            aggregate.status = "active"

    @topic("signing_key.retired")
    class Retired(Event):
        def apply(self, aggregate: SigningKey) -> None:
            aggregate.status = "retired"

    def publish(self, kid: str, use: Use, alg: str, context: Context) -> None:
        if self.status != "new":
            raise Refused("This key was published before.")
        self.record(self.Published, context, kid=kid, use=use, alg=alg)

    def activate(self, context: Context) -> None:
        if self.status != "published":
            raise Refused("Only a published key can be activated.")
        self.record(self.Activated, context)

    def retire(self, context: Context) -> None:
        if self.status == "retired":
            raise Refused("This key is retired already.")
        self.record(self.Retired, context)
