"""View models of the pages around one person: sign-in, consent, cannot connect, connected apps, errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from markupsafe import Markup

from web.pages.models import AppMark, Confirm

RedirectKind = Literal["web", "loopback", "scheme"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInView:
    host: str
    next: str
    email: str = ""
    asking_app: str = ""
    problem: str = ""
    sso_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeChoice:
    """A requested permission: ticked or not, and why it can't be ticked if the person lacks it."""

    scope: str
    title: str
    description: str
    acts: bool
    ticked: bool
    lacking: str = ""
    new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectChoice:
    id: str
    name: str
    ticked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTerms:
    """The lifetimes that the consent page puts into words."""

    idle_window: timedelta
    absolute_lifetime: timedelta
    ends_by: datetime
    access_token: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentView:
    """Who asks for what, and the choices: never more than the pending request holds."""

    request_id: str
    app: AppMark
    redirect_kind: RedirectKind
    redirect_host: str
    redirect_scheme: str
    registered_at: datetime
    registered_how: str
    allowed_by: str
    allowed_at: datetime | None
    identity_host: str
    scopes: tuple[ScopeChoice, ...]
    projects: tuple[ProjectChoice, ...]
    projects_in_all: int
    all_projects: bool
    needs_projects: bool
    keep_alive_offered: bool
    keep_alive: bool
    terms: SessionTerms
    email: str
    allowed_before_at: datetime | None = None
    pending: bool = False
    asked_at: datetime | None = None
    reason: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def hosts_differ(self) -> bool:
        return bool(self.identity_host) and self.redirect_kind == "web" and self.identity_host != self.redirect_host

    @property
    def local(self) -> bool:
        return self.redirect_kind != "web"

    @property
    def new_scopes(self) -> tuple[str, ...]:
        """What was not allowed before, where something was."""
        return tuple(choice.scope for choice in self.scopes if choice.new)

    @property
    def new_unticked(self) -> tuple[str, ...]:
        """Those of the new that the person could tick and that aren't ticked."""
        return tuple(choice.scope for choice in self.scopes if choice.new and not choice.ticked and not choice.lacking)


CannotConnectVariant = Literal[
    "removed", "unknown", "blocked", "pending", "redirect_mismatch", "registration_off", "no_plan", "expired", "bad_request", "too_many"
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconnectStep:
    title: str
    detail: str = ""
    command: str = ""
    windows: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect:
    """How one real client is connected again: numbered steps, and the same in one sentence."""

    name: str
    steps: tuple[ReconnectStep, ...]
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CannotConnectView:
    """A request that must not be redirected: what is wrong, what to do, and the details for support."""

    variant: CannotConnectVariant
    app_name: str
    error: str
    error_words: str
    request_id: str
    client_id: str = ""
    by: str = ""
    reason: str = ""
    at: datetime | None = None
    event: int | None = None
    sent: Markup | None = None
    registered: tuple[Markup, ...] = ()
    steps: Reconnect | None = None
    others: tuple[Reconnect, ...] = ()
    admins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnSession:
    """A live session of an app with the person: where it runs, as far as it says, and what ends it."""

    device: str
    began_at: datetime
    last_used_at: datetime
    ends: str
    revoke: Confirm


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedApp:
    """An app that can act for the person, with its receipt and what ends it."""

    id: str
    app: AppMark
    where: str
    scopes: tuple[str, ...]
    projects: str
    agreed_at: datetime
    receipt: int | None
    last_used_at: datetime | None
    sessions: str
    ends: str
    unused_days: int
    revoke: Confirm
    own_sessions: tuple[OwnSession, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedApp:
    app: AppMark
    ended_at: datetime
    why: str
    receipt: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedAppsView:
    apps: tuple[ConnectedApp, ...]
    ended: tuple[EndedApp, ...]
    revoke_all: Confirm | None
    mcp_url: str
    mcp_hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptView:
    """A consent event in sentences, then as recorded."""

    position: int
    at: datetime
    sentences: tuple[str, ...]
    recorded: str
    leaf_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorView:
    """An error page: what failed, whether anything changed, what to do, the request id."""

    status: int
    heading: str
    changed: str
    advice: str
    request_id: str
    back_url: str = "/"
    back_words: str = "Go to the start page"


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowView:
    """What a person may take away from an app: the permissions and projects it has now."""

    consent_id: str
    app: AppMark
    scopes: tuple[ScopeChoice, ...]
    projects: tuple[ProjectChoice, ...]
    may_keep_all: bool
    all_projects: bool
    errors: dict[str, str] = field(default_factory=dict)
