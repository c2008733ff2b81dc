"""View models of the pages about single sign-on, provisioning and one's own sign-ins."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from web.pages.models import Choice, Confirm, HistoryEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRow:
    browser: str
    address: str
    method: str
    since: datetime
    last_seen_at: datetime
    this_one: bool
    end: Confirm | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInsView:
    rows: tuple[SignInRow, ...]
    end_others: Confirm | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainRow:
    """A domain and, while it waits for its proof, the line that proves it and where the line stands."""

    name: str
    proven: bool
    line: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SsoForm:
    """The settings as they are, or as typed so far with what is wrong with them by field."""

    issuer: str = ""
    client_id: str = ""
    secret_set: bool = False
    enabled: bool = False
    scopes: str = ""
    roles: tuple[Choice, ...] = ()
    groups_claim: str = ""
    group_roles: str = ""
    enforced: bool = False
    break_glass: tuple[Choice, ...] = ()
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SsoView:
    """The page of single sign-on. `found`: what a test of the provider has just shown; `token`: a directory token, shown once."""

    included: bool
    plan: str
    may_manage: bool
    form: SsoForm
    redirect_uri: str
    domains: tuple[DomainRow, ...]
    domain_typed: str
    scim_url: str
    scim_on: bool
    history: tuple[HistoryEntry, ...]
    found: tuple[str, ...] = ()
    problem: str = ""
    token: str = ""
    scim_token_id: str = ""
    unlink_typed: str = ""
    enforce_note: str = ""
    errors: dict[str, str] = field(default_factory=dict)
