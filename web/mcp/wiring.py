"""What one gateway process keeps between requests: ways to the write side, to upstreams, and to discovery."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from application import introspect_token, record_action
from application.counting import count
from application.introspect_token import Judged
from application.ports import Busy
from application.services import Origin
from domain.account import Account, Resource
from infrastructure.bootstrap import App
from infrastructure.logs import get_logger
from web.mcp import challenges, gateway
from web.mcp.deciders import Deciders
from web.mcp.operations import Operation
from web.mcp.outcomes import Unrecorded
from web.mcp.sessions import Sessions
from web.mcp.slots import CALLS_OF_A_GRANT, STREAMS, STREAMS_OF_A_GRANT, Slots
from web.mcp.upstream import Upstreams
from web.oauth.answers import Answer
from web.wellknown import Documents

RECORD_PAUSES = (0.2, 0.6, 1.5)
"""Seconds between tries to record what was done already."""

_HOSTS = 1000

log = get_logger("gateway")


class Wiring:
    """One per process. Everything that asks the database does so on the threads of `deciders`."""

    def __init__(self, app: App, recheck_seconds: float) -> None:
        self.app, self.recheck_seconds = app, recheck_seconds
        self.deciders, self.upstreams = Deciders(), Upstreams()
        self.calls, self.streams = Slots(CALLS_OF_A_GRANT), Slots(STREAMS_OF_A_GRANT, STREAMS)
        self.documents = DecidedDocuments(app, self.deciders)
        self.sessions = Sessions(app.services.store.tables, self.deciders)
        self._accounts: dict[str, str] = {}

    def account_id(self, host: str) -> str | None:
        """The account that a host belongs to, which never changes."""
        found = self._accounts.get(host) or self.deciders.do(lambda: self.app.directory.account_for(host))
        if found and len(self._accounts) < _HOSTS:
            self._accounts[host] = found
        return found

    def resources_at(self, account_id: str, path: str) -> list[Resource]:
        """The resources with an upstream at a path, from memory where they are known there; the path itself before its other spelling.

        It only tells which resource is meant: what holds is judged by the token.
        """
        cached = self.app.services.store.cached(Account, UUID(account_id))
        return (_at(cached, path) if cached else []) or _at(self.account(account_id), path)

    def account(self, account_id: str) -> Account:
        """The account as it stands now."""
        found = self.deciders.do(lambda: self.app.services.store.load(Account, UUID(account_id)))
        if found is None:
            raise Busy
        return found

    def judge(self, account_id: str, token: str) -> Judged | None:
        """The token on the newest state."""
        services = self.app.directory.services_of(account_id)
        return self.deciders.do(lambda: introspect_token.judge(services, account_id, token, services.clock()))

    def close(self) -> None:
        """End threads and connections."""
        self.upstreams.close()
        self.deciders.close()

    def parts(self, account_id: str, address: str | None, user_agent: str) -> gateway.Parts:
        """The gateway's parts for a request from there."""
        services = self.app.directory.services_of(account_id)
        acts = Acts(self, account_id, Origin("mcp", address, user_agent or None))
        return gateway.Parts(
            issuer=services.issuer,
            judge_again=acts.judge_again,
            sign=lambda claims: self.deciders.do(lambda: services.access_tokens.assertion(account_id, claims, services.clock())),
            record=acts.record,
            sessions=self.sessions,
            clock=services.clock,
            new_id=lambda: secrets.token_urlsafe(24),
            upstreams=self.upstreams,
            calls=self.calls,
            streams=self.streams,
            recheck_seconds=self.recheck_seconds,
        )


@dataclass(frozen=True, slots=True)
class Acts:
    """Judging and recording for one request."""

    wiring: Wiring
    account_id: str
    origin: Origin

    def judge_again(self, judged: gateway.Judged) -> Judged | None:
        """The grant as it stands now, even if the token is over."""
        services = self.wiring.app.directory.services_of(self.account_id)
        return self.wiring.deciders.do(lambda: introspect_token.judge_claims(services, self.account_id, judged.claims, services.clock()))

    def record(self, judged: gateway.Judged, operation: Operation, projects: tuple[str, ...], outcome: Any, detail: str | None) -> None:
        """`action.performed`, tried for some seconds: it may tell of something that was done already."""
        grant = judged.standing.grant
        facts = {"operation": operation.name, "scope": operation.scope or None, "projects": projects, "outcome": outcome, "detail": detail}
        for pause in (*RECORD_PAUSES, None):
            try:
                self.wiring.deciders.do(lambda: self._append(judged, facts))
            except Busy as error:
                if pause is None:
                    log.exception("action not recorded", grant=str(grant.id), member=grant.member_id, client=grant.client_id, **facts)
                    raise Unrecorded from error
                time.sleep(pause)
            else:
                count("gateway_calls", outcome)
                return

    def _append(self, judged: gateway.Judged, facts: dict[str, Any]) -> None:
        grant = judged.standing.grant
        whose: dict[str, Any] = {
            "member_id": grant.member_id,
            "client_stream": grant.for_client,
            "client_id": grant.client_id,
            "grant_id": str(grant.id),
        }
        record_action.record(self.wiring.app.services, self.account_id, resource=grant.resource, origin=self.origin, **whose, **facts)


class DecidedDocuments(Documents):
    """Discovery whose documents are made on a decider's thread."""

    def __init__(self, app: App, deciders: Deciders) -> None:
        super().__init__(app)
        self._deciders = deciders

    def answer(self, host: str, path: str, if_none_match: str | None) -> Answer | None:
        """See `Documents`."""
        return self._deciders.do(lambda: super(DecidedDocuments, self).answer(host, path, if_none_match))


def _at(account: Account, path: str) -> list[Resource]:
    wanted = f"/{path}".rstrip("/") or "/"
    found = [r for r in account.resources.values() if r.upstream and challenges.path_of(r.identifier) == wanted]
    return sorted(found, key=lambda r: not r.identifier.endswith(f"/{path}"))
