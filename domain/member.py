"""A member of an account: role, the permissions held and since when, and whether the person may act at all."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from domain.base import Context, PersonalField, RecordedCreated, RecordedEvent, Stream, topic
from domain.errors import InvalidInput, Refused
from domain.extent import Extent, Projects, as_projects
from domain.roles import PERMISSIONS
from domain.scopes import per_project

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

NOWHERE = Extent()


@topic("member")
class Member(Stream):
    """State of a member stream. `ended` is the version of the last deactivation (or erasure), which ended every grant for good.

    `profile_version` is the version of the event that `name` and `email` are sealed for. `taken`: permissions an admin took away whole, and when.
    """

    TOPIC: ClassVar[str]

    def __init__(
        self, role: str, permissions: tuple[str, ...], projects: Projects, name: PersonalField, email: PersonalField, originator_version: int
    ) -> None:
        self.role = role
        self.name = name
        self.email = email
        self.profile_version = originator_version
        self.active = True
        self.erased = False
        self.ended = 0
        self.held: Mapping[str, Extent] = _role_extents({}, permissions, projects, originator_version)
        self.taken: Mapping[str, datetime] = MappingProxyType({})

    class Event(RecordedEvent):
        pass

    @topic("member.added")
    class Added(Event, RecordedCreated):
        role: str
        permissions: tuple[str, ...]
        projects: Projects
        name: PersonalField
        email: PersonalField
        by: str

    @topic("member.role_changed")
    class RoleChanged(Event):
        role: str
        permissions: tuple[str, ...]
        projects: Projects

        def apply(self, aggregate: Member) -> None:
            aggregate.role = self.role
            aggregate.held = _role_extents(aggregate.held, self.permissions, self.projects, self.originator_version)
            aggregate.taken = MappingProxyType({})

    @topic("member.permission_granted")
    class PermissionGranted(Event):
        permission: str
        projects: Projects

        def apply(self, aggregate: Member) -> None:
            extent = aggregate.extent(self.permission).adding(as_projects(self.projects), self.originator_version)
            aggregate.held = MappingProxyType({**aggregate.held, self.permission: extent})
            aggregate.taken = MappingProxyType({p: at for p, at in aggregate.taken.items() if p != self.permission})

    @topic("member.permission_revoked")
    class PermissionRevoked(Event):
        permission: str
        projects: Projects

        def apply(self, aggregate: Member) -> None:
            extent = aggregate.extent(self.permission).removing(as_projects(self.projects))
            aggregate.held = MappingProxyType({**aggregate.held, self.permission: extent})
            if extent.empty:
                aggregate.taken = MappingProxyType({**aggregate.taken, self.permission: self.timestamp})

    @topic("member.deactivated")
    class Deactivated(Event):
        reason: PersonalField

        def apply(self, aggregate: Member) -> None:
            aggregate.active = False
            aggregate.ended = self.originator_version

    @topic("member.reactivated")
    class Reactivated(Event):
        reason: PersonalField

        def apply(self, aggregate: Member) -> None:
            aggregate.active = True

    @topic("member.password_changed")
    class PasswordChanged(Event):
        pass

    @topic("member.profile_changed")
    class ProfileChanged(Event):
        name: PersonalField
        email: PersonalField

        def apply(self, aggregate: Member) -> None:
            aggregate.name, aggregate.email = self.name, self.email
            aggregate.profile_version = self.originator_version

    @topic("member.sso_linked")
    class SsoLinked(Event):
        """The person is known to the provider from now on; by which subject stands with the logins only."""

        issuer: str

    @topic("member.sso_unlinked")
    class SsoUnlinked(Event):
        pass

    @topic("member.erased")
    class Erased(Event):
        kids: tuple[str, ...]
        request: str | None

        def apply(self, aggregate: Member) -> None:
            aggregate.active = False
            aggregate.erased = True
            aggregate.ended = self.originator_version

    def extent(self, permission: str) -> Extent:
        """Where the member holds the permission."""
        return self.held.get(permission, NOWHERE)

    def holds(self, permission: str | None, project: str | None = None) -> bool:
        """Whether an active member holds the permission now (in that project, if it is held per project)."""
        if not self.active:
            return False
        if permission is None:
            return True
        extent = self.extent(permission)
        if not per_project(permission):
            return extent.holds_all()
        return not extent.empty if project is None else extent.holds(project)

    @classmethod
    def add(
        cls,
        stream_id: Any,
        context: Context,
        *,
        role: str,
        permissions: tuple[str, ...],
        projects: Projects,
        name: PersonalField,
        email: PersonalField,
        by: str = "admin",
    ) -> Member:
        """`by`: `setup`, `admin`, `sso` or `scim`. The permissions that the role stands for are part of the event."""
        return cls.begin(cls.Added, stream_id, context, role=role, permissions=permissions, projects=projects, name=name, email=email, by=by)

    def change_role(self, role: str, permissions: tuple[str, ...], projects: Projects, context: Context) -> None:
        self._must_exist()
        then = _role_extents(self.held, permissions, projects, self.version + 1)
        if role != self.role or then != {p: extent for p, extent in self.held.items() if not extent.empty}:
            self.record(self.RoleChanged, context, role=role, permissions=permissions, projects=projects)

    def permit(self, permission: str, projects: Projects, context: Context) -> None:
        self._must_exist()
        projects = self._checked(permission, projects)
        before = self.extent(permission)
        if before.adding(projects, self.version + 1) != before:
            self.record(self.PermissionGranted, context, permission=permission, projects=projects)

    def forbid(self, permission: str, projects: Projects, context: Context) -> None:
        self._must_exist()
        projects = self._checked(permission, projects)
        before = self.extent(permission)
        if before.removing(projects) != before:
            self.record(self.PermissionRevoked, context, permission=permission, projects=projects)

    def deactivate(self, context: Context, reason: str | None = None) -> None:
        self._must_exist()
        if self.active:
            self.record(self.Deactivated, context, reason=context.words(reason, str(self.id)))

    def reactivate(self, context: Context, reason: str | None = None) -> None:
        self._must_exist()
        if not self.active:
            self.record(self.Reactivated, context, reason=context.words(reason, str(self.id)))

    def change_password(self, context: Context) -> None:
        self._must_exist()
        self.record(self.PasswordChanged, context)

    def change_profile(self, name: PersonalField, email: PersonalField, context: Context) -> None:
        """Another name or e-mail address, both given whole."""
        self._must_exist()
        self.record(self.ProfileChanged, context, name=name, email=email)

    def link_sso(self, issuer: str, context: Context) -> None:
        self._must_exist()
        self.record(self.SsoLinked, context, issuer=issuer)

    def unlink_sso(self, context: Context) -> None:
        self._must_exist()
        self.record(self.SsoUnlinked, context)

    def erase(self, kids: tuple[str, ...], request: str | None, context: Context) -> None:
        """The data keys `kids` are destroyed with this. `request`: a reference, nothing personal."""
        if not self.erased:
            self.record(self.Erased, context, kids=kids, request=request)

    def _must_exist(self) -> None:
        if self.erased:
            raise Refused("This person was erased. Add them again as a new member.")

    @staticmethod
    def _checked(permission: str, projects: Projects) -> Projects:
        if permission not in PERMISSIONS:
            raise InvalidInput(f"There is no permission {permission!r}. Permissions: {', '.join(PERMISSIONS)}.", field="permission")
        if not per_project(permission):
            if projects != "*":
                raise InvalidInput(f"{permission} is never held per project; leave the project out.", field="project")
            return "*"
        return projects


def _role_extents(before: Mapping[str, Extent], permissions: tuple[str, ...], projects: Projects, version: int) -> Mapping[str, Extent]:
    return MappingProxyType({p: before.get(p, NOWHERE).replaced_by(as_projects(projects) if per_project(p) else "*", version) for p in permissions})
