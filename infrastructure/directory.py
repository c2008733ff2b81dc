"""Which account a host belongs to, and the names under which that account is reached: one account for every host, or a host for each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from application.services import Services
from domain.account import Account
from domain.errors import NotFound
from domain.ids import account_stream, is_slug
from infrastructure.settings_source import ACCOUNT
from infrastructure.signing import JwtAccessTokens

_HOST = re.compile(r"([a-z0-9.-]{1,253})(?::[0-9]{1,5})?\Z")
"""A name and a port. Another spelling of a name (a dot at its end, escapes) is another origin to browsers, so it is none of ours."""


class Directory:
    """The store's only account, whatever the host is. It is looked for until it is there, then remembered."""

    by_host = False

    def __init__(self, services: Services) -> None:
        self._services = services
        self._only: str | None = None

    def account_for(self, host: str) -> str | None:  # noqa: ARG002  # hosts tell accounts apart in the class below
        """The account's id; None before the set-up, and where the store holds several, which no host tells apart here."""
        if self._only is None:
            accounts = self._services.store.tables().accounts()
            self._only = accounts[0][0] if len(accounts) == 1 else None
        return self._only

    def services_of(self, account_id: str) -> Services:  # noqa: ARG002  # as above
        """What the account's use cases are handed: the process's services under the account's names."""
        return self._services

    def services_named(self, slug: str) -> Services:  # noqa: ARG002  # as above
        """The same by the account's short name, whether it is open yet or not."""
        return self._services


class HostDirectory(Directory):
    """An account for each host: its short name stands in the place of `{account}` in the base URL.

    An account never changes its name and never goes, so what was found is remembered; what was not is looked for each time.
    """

    by_host = True

    def __init__(self, services: Services, tokens: Callable[[str, str], JwtAccessTokens], host: str) -> None:
        """`services` hold `{account}` in their URLs, as `host` does, which has no port; `tokens` makes an issuer's from its URL and account."""
        super().__init__(services)
        self._tokens = tokens
        self._before, _, self._after = host.partition(ACCOUNT)
        self._ids: dict[str, str] = {}
        self._of: dict[str, Services] = {}

    def account_for(self, host: str) -> str | None:
        """The id of the account that the Host header names; None if it names none of ours. The port says nothing."""
        slug = self._slug(host)
        if slug is None:
            return None
        found = self._ids.get(slug)
        return found if found is not None else self._found(slug)

    def services_of(self, account_id: str) -> Services:
        """`NotFound` if there is no such account."""
        found = self._of.get(account_id)
        if found is None:
            account = self._services.store.load(Account, UUID(account_id))
            if account is None:
                raise NotFound("There is no such account.")
            found = self._of.setdefault(account_id, self.services_named(account.slug))
        return found

    def services_named(self, slug: str) -> Services:
        def named(url: str) -> str:
            return url.replace(ACCOUNT, slug)

        known, issuer = self._services, named(self._services.issuer)
        tokens = self._tokens(issuer, str(account_stream(slug)))
        return replace(known, issuer=issuer, mcp_url=named(known.mcp_url), api_url=named(known.api_url), access_tokens=tokens)

    def _slug(self, host: str) -> str | None:
        match = _HOST.match(host.lower()) if host.isascii() else None
        name = match.group(1) if match else ""
        if not name.startswith(self._before) or not name.endswith(self._after):
            return None
        slug = name[len(self._before) : len(name) - len(self._after)]
        return slug if is_slug(slug) else None

    def _found(self, slug: str) -> str | None:
        stream = account_stream(slug)
        if self._services.store.load(Account, stream) is None:
            return None
        return self._ids.setdefault(slug, str(stream))
