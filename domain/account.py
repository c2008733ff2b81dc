"""The account: plan, projects, scope catalogue, policies, protected resources and the decisions about apps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar

from domain import catalogue, policies
from domain.account_apps import AppDecision, AppDecisions, AppStatus
from domain.account_parts import PLANS, PLANS_WITH_APPS, project_name
from domain.account_resources import Resource, ResourceDecisions
from domain.base import Context, PersonalField, RecordedCreated, RecordedEvent, Stream, topic
from domain.errors import AlreadyExists, InvalidInput, NotFound
from domain.scopes import DEFAULT_CATALOGUE, Scope

__all__ = ["PLANS", "PLANS_WITH_APPS", "Account", "AppDecision", "AppStatus", "Resource"]


@topic("account")
class Account(AppDecisions, ResourceDecisions, Stream):
    """State of the account stream."""

    TOPIC: ClassVar[str]

    def __init__(self, slug: str, name: str, plan: str) -> None:
        self.slug = slug
        self.name = name
        self.plan = plan
        self.projects: dict[str, str] = {}
        self.scopes: dict[str, Scope] = {s.code: s for s in DEFAULT_CATALOGUE}
        self.scopes_since: dict[str, int] = {}
        self.registration_policy = policies.RegistrationPolicy()
        self.session_policy = policies.SessionPolicy()
        self.resources: dict[str, Resource] = {}
        self.apps: dict[str, AppDecision] = {}
        self.auth_providers: dict[str, dict[str, Any]] = {}

    # ---- events

    class Event(RecordedEvent):
        pass

    @topic("account.opened")
    class Opened(Event, RecordedCreated):
        slug: str
        name: str
        plan: str

    @topic("account.plan_changed")
    class PlanChanged(Event):
        plan: str

        def apply(self, aggregate: Account) -> None:
            aggregate.plan = self.plan

    class ProjectEvent(Event):
        TOPIC = "account.project_event"
        project_id: str
        name: str

        def apply(self, aggregate: Account) -> None:
            aggregate.projects = {**aggregate.projects, self.project_id: self.name}

    @topic("account.project_added")
    class ProjectAdded(ProjectEvent):
        pass

    @topic("account.project_renamed")
    class ProjectRenamed(ProjectEvent):
        pass

    @topic("account.project_removed")
    class ProjectRemoved(ProjectEvent):
        def apply(self, aggregate: Account) -> None:
            aggregate.projects = {k: v for k, v in aggregate.projects.items() if k != self.project_id}

    @topic("account.scope_catalogue_published")
    class ScopeCataloguePublished(Event):
        scopes: tuple[dict[str, Any], ...]

        def apply(self, aggregate: Account) -> None:
            scopes = {s["code"]: Scope(**s) for s in self.scopes}
            aggregate.scopes_since = catalogue.since(scopes, aggregate.scopes, aggregate.scopes_since, self.originator_version)
            aggregate.scopes = scopes

    @topic("account.registration_policy_changed")
    class RegistrationPolicyChanged(Event):
        policy: dict[str, Any]
        changes: tuple[str, ...]

        def apply(self, aggregate: Account) -> None:
            aggregate.registration_policy = policies.registration_policy(self.policy)

    @topic("account.session_policy_changed")
    class SessionPolicyChanged(Event):
        policy: dict[str, Any]
        changes: tuple[str, ...]

        def apply(self, aggregate: Account) -> None:
            aggregate.session_policy = policies.session_policy(self.policy)

    @topic("account.auth_provider_changed")
    class AuthProviderChanged(Event):
        provider_id: str
        settings: dict[str, Any]

        def apply(self, aggregate: Account) -> None:
            aggregate.auth_providers = {**aggregate.auth_providers, self.provider_id: self.settings}

    @topic("account.resource_registered")
    class ResourceRegistered(Event):
        resource_id: str
        identifier: str
        scopes: tuple[str, ...]
        upstream: str | None
        operations: dict[str, Any]

        def apply(self, aggregate: Account) -> None:
            version, scopes = self.originator_version, tuple(self.scopes)
            served = dict.fromkeys(scopes, version)
            resource = Resource(self.resource_id, self.identifier, scopes, self.upstream, self.operations, version, served, version)
            aggregate.resources = {**aggregate.resources, self.identifier: resource}

    @topic("account.resource_changed")
    class ResourceChanged(Event):
        resource_id: str
        identifier: str
        scopes: tuple[str, ...]
        upstream: str | None
        operations: dict[str, Any]

        def apply(self, aggregate: Account) -> None:
            before, scopes = aggregate.resources[self.identifier], tuple(self.scopes)
            served = {s: before.served.get(s, self.originator_version) for s in scopes}
            resource = replace(before, scopes=scopes, upstream=self.upstream, operations=self.operations, served=served)
            aggregate.resources = {**aggregate.resources, self.identifier: resource}

    @topic("account.resource_rotated")
    class ResourceRotated(Event):
        resource_id: str
        identifier: str

        def apply(self, aggregate: Account) -> None:
            resource = replace(aggregate.resources[self.identifier], secret_since=self.originator_version)
            aggregate.resources = {**aggregate.resources, self.identifier: resource}

    @topic("account.resource_removed")
    class ResourceRemoved(Event):
        resource_id: str
        identifier: str

        def apply(self, aggregate: Account) -> None:
            aggregate.resources = {k: v for k, v in aggregate.resources.items() if k != self.identifier}

    class AppEvent(Event):
        TOPIC = "account.app_event"
        fingerprint: str
        client_name: str
        reason: PersonalField

        def _set(self, aggregate: Account, **changes: Any) -> None:
            decision = replace(aggregate.app(self.fingerprint), **changes)
            aggregate.apps = {**aggregate.apps, self.fingerprint: decision}

    @topic("account.app_approved")
    class AppApproved(AppEvent):
        def apply(self, aggregate: Account) -> None:
            self._set(aggregate, status="approved", approved=True)

    @topic("account.app_blocked")
    class AppBlocked(AppEvent):
        def apply(self, aggregate: Account) -> None:
            self._set(aggregate, status="blocked", ended=self.originator_version)

    @topic("account.app_unblocked")
    class AppUnblocked(AppEvent):
        def apply(self, aggregate: Account) -> None:
            approved = aggregate.app(self.fingerprint).approved
            self._set(aggregate, status="approved" if approved else "undecided")

    @topic("account.app_verified")
    class AppVerified(AppEvent):
        verified: bool

        def apply(self, aggregate: Account) -> None:
            self._set(aggregate, verified=self.verified)

    # ---- questions

    @property
    def has_apps(self) -> bool:
        """Whether the plan includes app integrations."""
        return self.plan in PLANS_WITH_APPS

    def project(self, id_or_name: str) -> str:
        """A project's id, from its id or its name; `NotFound` lists the projects."""
        if id_or_name in self.projects:
            return id_or_name
        for project_id, name in self.projects.items():
            if name == id_or_name:
                return project_id
        raise NotFound(f"There is no project {id_or_name!r}. Projects: {', '.join(self.projects.values()) or 'none yet'}.", field="project")

    # ---- decisions

    @classmethod
    def open(cls, stream_id: Any, slug: str, name: str, context: Context, plan: str = "enterprise") -> Account:
        if not name.strip():
            raise InvalidInput("An account needs a name.", field="name")
        return cls.begin(cls.Opened, stream_id, context, slug=slug, name=name.strip(), plan=plan)

    def change_plan(self, plan: str, context: Context) -> None:
        if plan not in PLANS:
            raise InvalidInput(f"There is no plan {plan!r}. Plans: {', '.join(PLANS)}.", field="plan")
        if plan != self.plan:
            self.record(self.PlanChanged, context, plan=plan)

    def add_project(self, project_id: str, name: str, context: Context) -> None:
        name = project_name(name, self.projects, of=project_id)
        if project_id in self.projects:
            raise AlreadyExists(f"There is a project with the id {project_id!r} already.", field="name")
        self.record(self.ProjectAdded, context, project_id=project_id, name=name)

    def rename_project(self, id_or_name: str, name: str, context: Context) -> None:
        project_id = self.project(id_or_name)
        name = project_name(name, self.projects, of=project_id)
        if self.projects[project_id] != name:
            self.record(self.ProjectRenamed, context, project_id=project_id, name=name)

    def remove_project(self, id_or_name: str, context: Context) -> None:
        project_id = self.project(id_or_name)
        self.record(self.ProjectRemoved, context, project_id=project_id, name=self.projects[project_id])

    def publish_scopes(self, scopes: Iterable[Scope], context: Context) -> None:
        """The whole catalogue anew. Sessions lose a scope that is gone or needs another permission now, for good; its words may change."""
        in_use = catalogue.InUse({r.identifier: r.scopes for r in self.resources.values()}, self.registration_policy.dynamic_scopes)
        found = catalogue.checked(scopes, self.scopes, in_use)
        if list(found.items()) != list(self.scopes.items()):
            self.record(self.ScopeCataloguePublished, context, scopes=tuple(scope.as_fact() for scope in found.values()))

    def change_registration_policy(self, changes: dict[str, str], context: Context) -> None:
        policy = policies.changed(self.registration_policy, changes)
        unknown = [s for s in policy.dynamic_scopes if s not in self.scopes]
        if unknown:
            raise InvalidInput(f"dynamic_scopes names scopes that are not in the catalogue: {', '.join(unknown)}.", field="dynamic_scopes")
        if policy != self.registration_policy:
            self.record(self.RegistrationPolicyChanged, context, policy=policies.as_fact(policy), changes=tuple(changes))

    def change_session_policy(self, changes: dict[str, str], context: Context) -> None:
        policy = policies.changed(self.session_policy, changes)
        if policy != self.session_policy:
            self.record(self.SessionPolicyChanged, context, policy=policies.as_fact(policy), changes=tuple(changes))
