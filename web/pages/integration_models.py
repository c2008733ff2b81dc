"""What the templates of the app integrations receive."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from projections.usage.queries import Day
from web.pages.charts import BarChart, Spark, UseBar
from web.pages.models import AppMark, Choice, Confirm, Endpoint, HistoryEntry, Pager, Stat, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationRow:
    """An app in one of the two tables; identical registrations share the row."""

    page_id: str
    app: AppMark
    under: str
    redirect_url: str
    any_port: bool
    more_redirects: int
    users: int
    created_at: datetime
    last_used_at: datetime | None
    status: Status
    spark: Spark | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTable:
    """One of the two tables: a page of rows, how many there are in all, and the way to the others."""

    rows: tuple[IntegrationRow, ...] = ()
    total: int = 0
    pager: Pager | None = None


@dataclass(frozen=True, slots=True)
class SortLink:
    """A column's heading that sorts by it."""

    words: str
    url: str
    active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingApp:
    """An app that waits for approval, and who asked for it."""

    page_id: str
    name: str
    asked_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationsView:
    """Both tables with what was searched for; `empty` where the account has no app at all. `policy`: who may register now, `plan` if nobody may."""

    dynamic: AppTable
    manual: AppTable
    endpoints: tuple[Endpoint, ...]
    policy: str
    may_manage: bool
    search: str = ""
    statuses: tuple[Choice, ...] = ()
    scopes: tuple[Choice, ...] = ()
    sorts: tuple[Choice, ...] = ()
    headings: dict[str, SortLink] = field(default_factory=dict)
    filtered: bool = False
    waiting: tuple[WaitingApp, ...] = ()
    waiting_in_all: int = 0

    @property
    def empty(self) -> bool:
        return not self.filtered and not self.dynamic.total and not self.manual.total


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationUser:
    """Somebody who allowed the app, and what."""

    name: str
    role: str
    scopes: tuple[str, ...]
    projects: str
    last_used_at: datetime | None
    member_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Somebody who asked the admins to approve an app."""

    person: str
    scopes: tuple[str, ...]
    reason: str
    at: datetime
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationDetail:
    """One app with everything its page shows; `removed` keeps its page, read only."""

    page_id: str
    app: AppMark
    status: Status
    local_only: bool
    client_id: str
    method: str
    client_type: str
    redirect_urls: tuple[tuple[str, bool], ...]
    registrations: int
    scopes: tuple[str, ...]
    metadata: tuple[tuple[str, str], ...]
    created_at: datetime
    stats: tuple[Stat, ...]
    history: tuple[HistoryEntry, ...]
    users: tuple[IntegrationUser, ...]
    users_in_all: int
    people_pager: Pager | None
    sessions_in_all: int
    use: tuple[UseBar, ...]
    activity: BarChart
    days: tuple[Day, ...]
    asked: tuple[Asked, ...] = ()
    actions: tuple[Confirm, ...] = ()
    ended_line: str = ""
    manual: bool = False
    reason: str = ""
    may_manage: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One registration of an app."""

    client_id: str
    method: str
    redirect_urls: tuple[str, ...]
    created_at: datetime
    position: int
    last_used_at: datetime | None
    removed_at: datetime | None
    removed_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationsView:
    """All registrations that are one app."""

    page_id: str
    app: AppMark
    total: int
    rows: tuple[Registration, ...]
    pager: Pager


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIntegrationForm:
    """Add integration, as typed so far, with what is wrong with it by field."""

    name: str = ""
    redirect_uris: str = ""
    scopes: tuple[Choice, ...] = ()
    homepage: str = ""
    reason: str = ""
    errors: dict[str, str] = field(default_factory=dict)
