"""Decisions about protected resources on the account's stream: registered, changed, given a new secret, removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from domain.base import Context
from domain.errors import AlreadyExists, InvalidInput, NotFound
from domain.scopes import Scope


@dataclass(frozen=True, slots=True)
class Resource:
    """A protected resource: `operations` maps an operation (an MCP tool) to its scope; `since` is the version that registered it.

    `served`: from which version on it has served each of its scopes; `secret_since`: the version that made its secret.
    """

    resource_id: str
    identifier: str
    scopes: tuple[str, ...]
    upstream: str | None
    operations: dict[str, Any]
    since: int
    served: dict[str, int]
    secret_since: int


def served_scopes(scopes: tuple[str, ...], catalogue: Mapping[str, Scope]) -> tuple[str, ...]:
    """The scopes for a resource; `InvalidInput` if there are none, or ones that the catalogue doesn't have."""
    unknown = [s for s in scopes if s not in catalogue]
    if unknown or not scopes:
        wrong = ", ".join(unknown) or "none"
        raise InvalidInput(f"A resource needs scopes of the catalogue ({', '.join(catalogue)}), not {wrong}.", field="scope")
    return scopes


class HasResources(Protocol):
    """The account, as far as resources are concerned; its events are nested in it."""

    @property
    def ResourceRegistered(self) -> type[Any]: ...  # noqa: N802  # an event of the account
    @property
    def ResourceChanged(self) -> type[Any]: ...  # noqa: N802  # an event of the account
    @property
    def ResourceRotated(self) -> type[Any]: ...  # noqa: N802  # an event of the account
    @property
    def ResourceRemoved(self) -> type[Any]: ...  # noqa: N802  # an event of the account

    resources: dict[str, Resource]
    scopes: dict[str, Scope]

    def resource(self, id_or_identifier: str) -> Resource: ...
    def record(self, event_class: type[Any], context: Context, **facts: Any) -> None: ...


class ResourceDecisions:
    """What an account decides about resources."""

    def register_resource(
        self: HasResources,
        resource_id: str,
        identifier: str,
        scopes: tuple[str, ...],
        context: Context,
        *,
        upstream: str | None = None,
        operations: dict[str, Any] | None = None,
    ) -> None:
        if identifier in self.resources:
            raise AlreadyExists(f"The resource {identifier} is registered already: change it instead, which ends no session.", field="identifier")
        self.record(
            self.ResourceRegistered,
            context,
            resource_id=resource_id,
            identifier=identifier,
            scopes=served_scopes(scopes, self.scopes),
            upstream=upstream,
            operations=operations or {},
        )

    def change_resource(
        self: HasResources, identifier: str, scopes: tuple[str, ...], context: Context, *, upstream: str | None, operations: dict[str, Any]
    ) -> Resource:
        """What it is now; sessions go on, less the scopes that it serves no longer."""
        resource = self.resource(identifier)
        if (scopes, upstream, operations) != (resource.scopes, resource.upstream, resource.operations):
            facts = {"scopes": served_scopes(scopes, self.scopes), "upstream": upstream, "operations": operations}
            self.record(self.ResourceChanged, context, resource_id=resource.resource_id, identifier=resource.identifier, **facts)
        return self.resource(identifier)

    def rotate_resource(self: HasResources, identifier: str, context: Context) -> Resource:
        resource = self.resource(identifier)
        self.record(self.ResourceRotated, context, resource_id=resource.resource_id, identifier=resource.identifier)
        return resource

    def remove_resource(self: HasResources, identifier: str, context: Context) -> Resource:
        resource = self.resource(identifier)
        self.record(self.ResourceRemoved, context, resource_id=resource.resource_id, identifier=resource.identifier)
        return resource

    def resource(self: HasResources, id_or_identifier: str) -> Resource:
        """A resource by identifier or id; `NotFound` lists them."""
        for resource in self.resources.values():
            if id_or_identifier in (resource.identifier, resource.resource_id):
                return resource
        raise NotFound(f"There is no resource {id_or_identifier!r}. Resources: {', '.join(self.resources) or 'none yet'}.", field="identifier")
