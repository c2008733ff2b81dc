"""Protected resources: registered with their scopes, operations and upstream, given credentials for introspection, removed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, urlsplit

from application.lookups import account_of
from application.ports import Recorded, Tables
from application.retrying import until_settled
from application.services import Origin, Services
from domain.account import Resource
from domain.errors import InvalidInput

KIND = "resource"
API_SCOPES = ("account:read", "account:manage")
OPERATION_KINDS = ("tools", "prompts", "resources")


@dataclass(frozen=True, slots=True)
class ResourceSecret:
    """The credentials with which a resource calls the introspection endpoint; the secret is shown once and stored as a hash."""

    resource_id: str
    secret: str = field(repr=False)
    identifier: str
    scopes: tuple[str, ...]
    recorded: Recorded


def add(
    services: Services,
    account_id: str,
    *,
    identifier: str,
    scopes: Sequence[str],
    origin: Origin,
    upstream: str | None = None,
    operations: Mapping[str, Any] | None = None,
    actor_id: str | None = None,
) -> ResourceSecret:
    """Register a resource. `operations` is `{"tools": {NAME: SCOPE or {"scope": …, "project_argument": …}}, …}`."""
    identifier, wanted = canonical_identifier(identifier), tuple(dict.fromkeys(scopes))
    checked = _operations(operations or {}, wanted)
    address = None if upstream is None else _upstream(upstream)
    resource_id, secret = new_resource_id(services), services.new_secret()

    def with_credential(tables: Tables) -> None:
        tables.add_credential(resource_id, account_id, KIND, identifier, secret_hash(secret))

    def attempt() -> Recorded:
        account = account_of(services, account_id)
        context = services.context(account_id, origin, actor_id=actor_id)
        account.register_resource(resource_id, identifier, wanted, context, upstream=address, operations=checked)
        return services.store.append([account], also=with_credential)

    return ResourceSecret(resource_id, secret, identifier, wanted, until_settled(attempt))


def change(
    services: Services,
    account_id: str,
    resource: str,
    *,
    origin: Origin,
    scopes: Sequence[str] | None = None,
    upstream: str | Literal[False] | None = None,
    operations: Mapping[str, Any] | None = None,
    actor_id: str | None = None,
) -> Recorded | None:
    """Change a resource in place, given by id or identifier: what is None stays, `upstream=False` takes it away.

    Its sessions go on, less the scopes that it serves no longer; its secret stays. None: nothing was to change.
    """
    address = _upstream(upstream) if upstream else None

    def attempt() -> Recorded | None:
        account = account_of(services, account_id)
        before = account.resource(resource)
        wanted = before.scopes if scopes is None else tuple(dict.fromkeys(scopes))
        checked = _operations(before.operations if operations is None else operations, wanted)
        after = before.upstream if upstream is None else address
        context = services.context(account_id, origin, actor_id=actor_id)
        account.change_resource(before.identifier, wanted, context, upstream=after, operations=checked)
        return services.store.append_ending([account]) if account.pending_events else None

    return until_settled(attempt)


def rotate(services: Services, account_id: str, resource: str, *, origin: Origin, actor_id: str | None = None) -> ResourceSecret:
    """A new secret for a resource, given by id or identifier; the old one is refused at once."""
    secret = services.new_secret()

    def attempt() -> tuple[Resource, Recorded]:
        account = account_of(services, account_id)
        found = account.rotate_resource(resource, services.context(account_id, origin, actor_id=actor_id))
        return found, services.store.append_ending([account], also=lambda t: t.replace_credential(found.resource_id, secret_hash(secret)))

    found, recorded = until_settled(attempt)
    return ResourceSecret(found.resource_id, secret, found.identifier, found.scopes, recorded)


def remove(services: Services, account_id: str, resource: str, *, origin: Origin, actor_id: str | None = None) -> Recorded:
    """Remove a resource, given by id or identifier; every grant for it ends for good."""

    def attempt() -> Recorded:
        account = account_of(services, account_id)
        found = account.remove_resource(resource, services.context(account_id, origin, actor_id=actor_id))
        return services.store.append_ending([account], also=lambda t: t.remove_credentials(account_id, KIND, found.identifier))

    return until_settled(attempt)


def canonical_identifier(text: str) -> str:
    """The identifier as it stands in `aud` (RFC 8707): absolute, lower-case scheme and host, no fragment, no bare slash at its end."""
    parts = _split(text.strip(), "A resource's identifier")
    if parts.fragment or "#" in text or parts.query or "?" in text:
        raise InvalidInput("A resource's identifier has neither a query nor a fragment.", field="identifier")
    netloc = parts.netloc.lower()
    return parts._replace(scheme=parts.scheme.lower(), netloc=netloc, path="" if parts.path == "/" else parts.path).geturl()


def _upstream(text: str) -> str:
    """An http(s) URL, or `unix:SOCKET` with an optional `#/path`."""
    if text.startswith("unix:/"):
        return text
    return _split(text, "An upstream").geturl()


def _split(text: str, what: str) -> SplitResult:
    field_name = "identifier" if what != "An upstream" else "upstream"
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        valid = False
    if not valid or any(c.isspace() or ord(c) < 32 for c in text):
        raise InvalidInput(f"{what} is an absolute http or https URL without a user, not {text!r}.", field=field_name)
    return parts


def _operations(given: Mapping[str, Any], scopes: tuple[str, ...]) -> dict[str, Any]:
    """The operations as the gateway reads them; a slip here would silently offer nothing, so each is refused with what was meant."""
    for kind, entries in given.items():
        if kind not in OPERATION_KINDS or not isinstance(entries, Mapping):
            raise _wrong(f"Operations map {', '.join(OPERATION_KINDS)} to names and scopes; {kind!r} doesn't.")
        for name, entry in entries.items():
            _check_operation(kind, name, entry, scopes)
    return {kind: dict(entries) for kind, entries in given.items()}


def _check_operation(kind: str, name: str, entry: Any, scopes: tuple[str, ...]) -> None:
    members = entry if isinstance(entry, Mapping) else {"scope": entry}
    unknown = [member for member in members if member not in ("scope", "project_argument")]
    if unknown:
        raise _wrong(f"An operation has a scope and a project_argument; {name!r} has {', '.join(map(repr, unknown))}.")
    scope, argument = members.get("scope"), members.get("project_argument")
    if not isinstance(scope, str) or scope not in scopes:
        raise _wrong(f"The operation {name!r} needs a scope of the resource ({', '.join(scopes)}), not {scope!r}.")
    if not (argument is None or (isinstance(argument, str) and argument)):
        raise _wrong(f"The project_argument of {name!r} is the name of an argument.")
    if not name or "*" in (name[:-1] if kind == "resources" else name):
        raise _wrong(f"{name!r} names nothing: only a resource's URI may end with *, and stands for all that begin so.")


def _wrong(message: str) -> InvalidInput:
    return InvalidInput(message, field="operations")


def new_resource_id(services: Services) -> str:
    return f"res_{services.new_id().hex[:24]}"


def secret_hash(secret: str) -> bytes:
    """Secrets are random and long, so a plain hash keeps them."""
    return hashlib.sha256(secret.encode()).digest()
