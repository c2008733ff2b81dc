"""A member's consent to a client: what was approved, where, and what has held since when."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from domain import errors
from domain.base import Context, PersonalField, RecordedAnyTime, Stream, topic
from domain.errors import InvalidInput
from domain.extent import Extent, Projects, as_projects

if TYPE_CHECKING:
    from collections.abc import Mapping

ASK_AGAIN_AFTER = timedelta(days=1)


@topic("consent")
class Consent(Stream):
    """State of a consent stream. `ended` is the version of the last withdrawal, which ended every grant for good.

    `asked_at` is when the member last asked the admins to approve the app, for `asked_scopes`.
    """

    TOPIC: ClassVar[str]

    def __init__(self) -> None:
        self.member_id = ""
        self.for_client = ""
        self.scopes: Mapping[str, int] = MappingProxyType({})
        self.projects = Extent()
        self.keep_alive = False
        self.in_force = False
        self.ended = 0
        self.asked_at: datetime | None = None
        self.asked_scopes: tuple[str, ...] = ()

    class Event(RecordedAnyTime):
        STREAM = "consent"

    class Decision(Event):
        """What a person decided on the consent page; `text` is the SHA-256 of the text shown."""

        TOPIC = "consent.decision"
        member_id: str
        for_client: str
        requested: tuple[str, ...]
        resource: str
        text: str

        def apply(self, aggregate: Consent) -> None:
            aggregate.member_id, aggregate.for_client = self.member_id, self.for_client

    @topic("consent.given")
    class Given(Decision):
        """`lifetimes` in seconds; `held` the permissions the member had then; `grant_id` the grant that began with it."""

        version: int
        approved: tuple[str, ...]
        denied: tuple[str, ...]
        projects: Projects
        keep_alive: bool
        lifetimes: dict[str, int]
        held: tuple[str, ...]
        grant_id: str

        def apply(self, aggregate: Consent) -> None:
            super().apply(aggregate)
            at = self.originator_version
            before = aggregate.scopes if aggregate.in_force else {}
            aggregate.scopes = MappingProxyType({s: before.get(s, at) for s in self.approved})
            extent = aggregate.projects if aggregate.in_force else Extent()
            aggregate.projects = extent.replaced_by(as_projects(self.projects), at)
            aggregate.keep_alive, aggregate.in_force = self.keep_alive, True

    @topic("consent.refused")
    class Refused(Decision):
        pass

    @topic("consent.approval_requested")
    class ApprovalRequested(Event):
        """The member asked the admins to approve an app that waits for them; `reason` in the member's own words. Grants nothing."""

        member_id: str
        for_client: str
        requested: tuple[str, ...]
        resource: str
        reason: PersonalField

        def apply(self, aggregate: Consent) -> None:
            aggregate.member_id, aggregate.for_client = self.member_id, self.for_client
            aggregate.asked_at, aggregate.asked_scopes = self.timestamp, tuple(self.requested)

    @topic("consent.narrowed")
    class Narrowed(Event):
        """What is left after the member took something back."""

        approved: tuple[str, ...]
        projects: Projects

        def apply(self, aggregate: Consent) -> None:
            at = self.originator_version
            aggregate.scopes = MappingProxyType({s: v for s, v in aggregate.scopes.items() if s in self.approved})
            aggregate.projects = aggregate.projects.replaced_by(as_projects(self.projects), at)

    @topic("consent.withdrawn")
    class Withdrawn(Event):
        reason: PersonalField

        def apply(self, aggregate: Consent) -> None:
            aggregate.in_force = False
            aggregate.scopes, aggregate.projects = MappingProxyType({}), Extent()
            aggregate.ended = self.originator_version

    def give(self, context: Context, **facts: Any) -> None:
        """Facts: those of `Given` but `version`. At least one scope must be approved."""
        if not facts["approved"]:
            raise InvalidInput("Choose at least one permission, or deny.", field="scope")
        self.record(self.Given, context, version=self.version + 1, **facts)

    def refuse(self, context: Context, **facts: Any) -> None:
        """Facts: those of `Decision`."""
        self.record(self.Refused, context, **facts)

    def ask_approval(self, context: Context, *, reason: str | None = None, **facts: Any) -> None:
        """Facts: those of `ApprovalRequested`. Asking for the same again within a day records nothing."""
        if self.asked_recently(facts["requested"], context.now):
            return
        self.record(self.ApprovalRequested, context, reason=context.words(reason), **facts)

    def asked_recently(self, requested: tuple[str, ...], now: datetime) -> bool:
        """Whether the admins were asked for all of this within a day."""
        return self.asked_at is not None and now - self.asked_at < ASK_AGAIN_AFTER and set(requested) <= set(self.asked_scopes)

    def narrow(self, approved: tuple[str, ...], projects: Projects, context: Context) -> None:
        """Keep only these scopes and projects; widening is `InvalidInput`."""
        self._must_be_in_force()
        wider = [s for s in approved if s not in self.scopes]
        if wider:
            raise InvalidInput(f"Narrowing can't add permissions: {', '.join(wider)}.", field="scope")
        if not approved:
            raise InvalidInput("Choose at least one permission to keep, or revoke the app.", field="scope")
        if projects == "*" and not self.projects.holds_all():
            raise InvalidInput("Narrowing can't add projects.", field="project_id")
        if projects != "*" and any(not self.projects.holds(p) for p in projects):
            raise InvalidInput("Narrowing can't add projects.", field="project_id")
        if set(approved) != set(self.scopes) or self.projects.replaced_by(projects, self.version + 1) != self.projects:
            self.record(self.Narrowed, context, approved=approved, projects=projects)

    def withdraw(self, context: Context, reason: str | None = None) -> None:
        self._must_be_in_force()
        self.record(self.Withdrawn, context, reason=context.words(reason, self.member_id))

    def _must_be_in_force(self) -> None:
        if not self.in_force:
            raise errors.Refused("Nothing is allowed to this app any more.")
