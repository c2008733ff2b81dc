"""What a page asks of the process: the services, the account of this host, where the request came from, the views."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, cast
from uuid import UUID

from flask import current_app, g, request

from application.services import Origin, Services
from domain.account import Account
from infrastructure.bootstrap import App
from infrastructure.past.answers import Past
from web import hosts


class NoAccount(Exception):
    """No account is opened for this host yet."""


def grantbook() -> App:
    return cast(App, current_app.extensions["grantbook"])


def services() -> Services:
    """What use cases are handed, under the names of this host's account."""
    return hosts.services()


def account_id() -> str:
    """The account that this host belongs to; `NoAccount` before it is set up."""
    found = grantbook().directory.account_for(request.host)
    if found is None:
        raise NoAccount
    return found


def account() -> Account:
    """The account as the write side knows it, read once per request."""
    if "account" not in g:
        g.account = services().store.load(Account, UUID(account_id()))
    if g.account is None:
        raise NoAccount
    return cast(Account, g.account)


def forget_account() -> None:
    """After a deed: read the account again."""
    g.pop("account", None)


def origin() -> Origin:
    return Origin("ui", request.remote_addr, request.headers.get("User-Agent"))


def views() -> AbstractContextManager[Any]:
    """A connection to the views (a replica where one is set)."""
    return grantbook().views()


def past(connection: Any) -> Past:
    """The account's events, and what opens them."""
    app = grantbook()
    return Past(connection, app.store.mapper, app.keyring, account_id())


def secure() -> bool:
    """Whether people reach this server over TLS."""
    return grantbook().settings.base_url.startswith("https://")


def request_id() -> str:
    """The id that the access log, the error pages and the reply's header share."""
    return str(g.get("request_id", ""))
