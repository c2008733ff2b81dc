"""What one API call knows: the process, its account, who calls through which client, and what it has recorded."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, cast

from flask import current_app, g, request

from application.introspect_token import Judged
from application.ports import Recorded
from application.services import Origin, Services
from domain.account import Account, Resource
from domain.member import Member
from infrastructure.bootstrap import App
from web import hosts

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Caller:
    """A person through a client, with a live token for this API; all states as the write side has them now."""

    account_id: str
    resource: Resource
    judged: Judged

    @property
    def account(self) -> Account:
        return self.judged.standing.account

    @property
    def member(self) -> Member:
        return self.judged.standing.member

    @property
    def member_id(self) -> str:
        return self.judged.standing.grant.member_id

    @property
    def client_stream(self) -> str:
        return self.judged.standing.grant.for_client


@dataclass(frozen=True, slots=True)
class Reporter:
    """A protected resource that calls with its own credentials."""

    account_id: str
    resource: Resource


def grantbook() -> App:
    return cast(App, current_app.extensions["grantbook"])


def services() -> Services:
    """What use cases are handed, under the names of this host's account."""
    return hosts.services()


def caller() -> Caller:
    """Who calls, in a view behind a guard."""
    return cast(Caller, g.api_caller)


def reporter() -> Reporter:
    """The resource that calls, in a view behind its guard."""
    return cast(Reporter, g.api_reporter)


def account_id() -> str:
    return caller().account_id


def origin() -> Origin:
    """Source `api`, with the client beside it."""
    return Origin("api", request.remote_addr, request.headers.get("User-Agent"), caller().client_stream)


def actor() -> dict[str, Any]:
    """Who acts and from where, as every use case takes it."""
    return {"actor_id": caller().member_id, "origin": origin()}


def views() -> AbstractContextManager[Any]:
    """A connection to the views (a replica where one is set)."""
    return grantbook().views()


def did(recorded: Recorded | None) -> None:
    """Remember what this call recorded, for the `Grantbook-Position` of its answer."""
    if recorded is not None:
        g.api_recorded = recorded


def recorded() -> Recorded | None:
    return cast("Recorded | None", g.get("api_recorded"))


def tagged(tag: str) -> None:
    """The ETag of what is answered."""
    g.api_etag = tag


def untagged() -> None:
    """What is gone has no ETag."""
    g.pop("api_etag", None)
