"""One account, told deed by deed, and its views as they stand after each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg

from domain.base import Personal
from domain.client import Client
from domain.consent import Consent
from domain.grant import Grant
from domain.ids import client_id_for, consent_stream
from domain.member import Member
from domain.roles import permissions_of
from projections.events import PersonalReader
from projections.integrations.queries import IntegrationRow, integration
from projections.sessions.queries import SessionRow, session
from tests.projections.history import KEY_ID, LIFETIMES, MCP, History
from tests.projections.support import run_all


@dataclass
class Scene:
    """`told` brings the views up to date; ids are those of the views."""

    history: History
    connection: psycopg.Connection[Any]
    sequence: Callable[[], None]
    reader: PersonalReader
    ids: dict[str, str] = field(default_factory=dict)

    def told(self) -> None:
        self.sequence()
        run_all(self.connection, self.reader)

    @property
    def account(self) -> str:
        return self.history.account_id

    def member(self, role: str = "Developer") -> Member:
        return self.history.add_member(role)

    def person(self, name: str, role: str = "Developer", projects: Any = "*") -> Member:
        """A member with this name."""
        member_id = uuid4()
        email = Personal(str(member_id), f"{member_id.hex}@example.com")
        facts = {"role": role, "permissions": permissions_of(role), "projects": projects, "name": Personal(str(member_id), name), "email": email}
        member = Member.add(member_id, self.admin(), **facts)
        self.history.append(member)
        return member

    def client(self, name: str = "Claude Code", *, kind: Any = "dynamic", port: int = 3118, needs_approval: bool = False) -> Client:
        history, stream_id = self.history, uuid4()
        context = history.context(history.admin if kind == "manual" else None, str(stream_id))
        client = Client.blank(stream_id, context)
        metadata = {"client_name": name, "redirect_uris": [f"http://localhost:{port}/callback"]}
        client.register(context, client_id=client_id_for(stream_id), registration=kind, metadata=metadata, needs_approval=needs_approval)
        history.append(client)
        return client

    def consent(self, member: Member, client: Client, scopes: tuple[str, ...], projects: Any = "*", *, grant_id: UUID | None = None) -> Consent:
        history, consent_id = self.history, consent_stream(self.account, str(member.id), str(client.id))
        context = history.context(str(member.id), str(client.id))
        consent = history.consents.setdefault(consent_id, Consent.blank(consent_id, context))
        consent.give(
            context, member_id=str(member.id), for_client=str(client.id), requested=scopes, resource=MCP, text="0" * 64, approved=scopes, denied=(),
            projects=projects, keep_alive=True, lifetimes=LIFETIMES, held=(), grant_id=str(grant_id or uuid4()),
        )  # fmt: skip
        history.append(consent)
        return consent

    def grant(
        self,
        member: Member,
        client: Client,
        scopes: tuple[str, ...] = ("account:read", "projects:query"),
        projects: Any = "*",
        *,
        exchange: bool = True,
        keep_alive: bool = True,
        pinned: dict[str, int] | None = None,
        resource: str = MCP,
    ) -> Grant:
        history, grant_id = self.history, uuid4()
        consent = self.consent(member, client, scopes, projects, grant_id=grant_id)
        versions = {"consent": consent.version, "client": client.version, "member": member.version, "account": history.account.version}
        grant = Grant.begin(
            Grant.CodeIssued, grant_id, history.context(str(member.id), str(client.id)), client_id=client.client_id, for_client=str(client.id),
            member_id=str(member.id), consent_id=str(consent.id), pinned={**versions, **(pinned or {})}, scopes=(*scopes, "offline_access"),
            projects=projects, resource=resource, redirect_uri="http://127.0.0.1/cb", redirect_uri_sent=True, code_challenge="x" * 43,
            keep_alive=keep_alive, refreshable=keep_alive, lifetimes=LIFETIMES, key_id=KEY_ID,
        )  # fmt: skip
        history.append(grant)
        if exchange:
            history.issue(grant)
        return grant

    def append(self, *streams: Any) -> None:
        self.history.append(*streams)

    def admin(self) -> Any:
        """The context of an admin at the pages."""
        return self.history.context(self.history.admin, source="ui")

    def later(self, **length: float) -> None:
        self.history.now += timedelta(**length)

    def session(self, grant: Grant, **options: Any) -> SessionRow:
        self.told()
        found = session(self.connection, self.account, str(grant.id), **options)
        assert found is not None
        return found

    def app(self, client: Client) -> IntegrationRow:
        self.told()
        found = integration(self.connection, self.account, client.client_id)
        assert found is not None
        return found


def moments_ago(**length: float) -> datetime:
    return datetime.now(UTC) - timedelta(**length)
