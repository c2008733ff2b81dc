"""View models of the first run: the four steps as typed so far, and what is worth doing next."""

from __future__ import annotations

from dataclasses import dataclass, field

from web.pages.models import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountStep:
    """Step 1; `token` is the one-time link's secret, carried in the form."""

    token: str
    account_name: str = ""
    slug: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    number: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminStep:
    """Step 2, which opens the account; a password is never kept, so it is typed again after going back."""

    token: str
    account_name: str
    slug: str
    name: str = ""
    email: str = ""
    minimum_password: int = 12
    errors: dict[str, str] = field(default_factory=dict)
    number: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceStep:
    """Step 3: `registered` are the identifiers that are there already; `mcp_url` is this server's own."""

    registered: tuple[str, ...]
    mcp_url: str
    identifier: str = ""
    upstream: str = ""
    scopes: tuple[Choice, ...] = ()
    errors: dict[str, str] = field(default_factory=dict)
    number: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """The credentials of the resource that was just registered, shown once."""

    identifier: str
    resource_id: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AppStep:
    """Step 4; `registers`: apps can register by themselves under the account's policy; `included`: its plan has apps at all; `answers`: an MCP
    server stands behind the URL."""

    mcp_url: str
    registers: bool
    included: bool = True
    answers: bool = True
    name: str = ""
    redirect_uris: str = ""
    scopes: tuple[Choice, ...] = ()
    secret: NewSecret | None = None
    errors: dict[str, str] = field(default_factory=dict)
    number: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """One thing to do next: done or not, a link for those who may, and what to copy if it needs something."""

    words: str
    detail: str
    done: bool
    url: str = ""
    link: str = ""
    copy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstStepsView:
    """`client_id` is that of the app that was just added by hand, if one was."""

    steps: tuple[NextStep, ...]
    app_name: str = ""
    client_id: str = ""
