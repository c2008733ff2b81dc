"""Sample views of the overview, the app integrations and the active sessions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from projections.usage.queries import Day
from tests.web.pages import samples
from tests.web.pages.samples import CLAUDE, ENDPOINTS, EVIL, HISTORY, MCP, NOW, ago, confirm, mark
from web.pages import app_words, charts, models
from web.pages.formatting import share
from web.pages.integration_models import (
    AppTable,
    Asked,
    IntegrationDetail,
    IntegrationRow,
    IntegrationsView,
    IntegrationUser,
    NewIntegrationForm,
    Registration,
    RegistrationsView,
    SortLink,
    WaitingApp,
)
from web.pages.overview_models import Attention, OverviewView
from web.pages.session_models import EndedSession, RevokeAll, SessionDetail, SessionRow, SessionsView

LIST, SESSIONS_HERE, OVERVIEW = "settings.integrations.list", "settings.sessions.list", "settings.overview.show"
Entry = tuple[str, models.Page, dict[str, object]]
COUNTS = tuple((n * 7919) % 31 for n in range(30))
DAYS = tuple(Day((ago(days=29 - n)).date(), registrations=c // 9, consents=c // 5, refreshes=c * 40, actions=c * 3) for n, c in enumerate(COUNTS))
SPARK = charts.spark(COUNTS)
NOTES = (
    models.Notice(kind="ok", image="check", strong="Blocked Claude Code.", text="31 sessions ended.", event=12483),
    models.Notice(text="Recorded as event 12,483. This page will show it in a moment."),
)


def chart(title: str, factor: int = 1) -> charts.BarChart:
    return charts.bar_chart(title, [day.day for day in DAYS], [count * factor for count in COUNTS])


def integration(name: str, url: str, status: models.Status = "active", **more: object) -> IntegrationRow:
    shown, any_port = app_words.without_loopback_port(url)
    values: dict[str, object] = {
        "page_id": "b3f1", "app": mark(name, verified=name == "Claude"), "under": "", "redirect_url": shown,
        "any_port": any_port, "more_redirects": 0, "users": 9, "created_at": datetime(2026, 3, 3, 9, 14, tzinfo=UTC),
        "last_used_at": ago(minutes=2), "status": status, "spark": SPARK,
    } | more  # fmt: skip
    return IntegrationRow(**values)  # type: ignore[arg-type]


HEADINGS = {
    name: SortLink(words, f"/settings/integrations?sort={name}", name == "used")
    for name, words in (("name", "Name"), ("users", "Users"), ("created", "Created on"), ("used", "Last used on"))
}
DYNAMIC = (
    integration("ChatGPT", "https://chatgpt.com/connector/oauth/fq81x", "pending", users=0, last_used_at=None, spark=None,
                under="Asked for by Lena Fischer"),
    integration("Claude", "https://claude.ai/api/mcp/auth_callback", users=18),
    integration("Claude Code", "http://localhost:3118/callback", users=23, under="137 registrations, one app"),
    integration("Cursor", "cursor://anysphere.cursor-mcp/oauth/callback", more_redirects=2),
    integration("Invoice Helper", "https://cb.invoice-helper.example/done", "blocked", under="Blocked by Priya Raman"),
    integration(EVIL.name, "https://a.example/" + "long" * 30),
)  # fmt: skip
INTEGRATIONS = IntegrationsView(
    dynamic=AppTable(
        rows=DYNAMIC, total=56, pager=models.Pager(words="1 to 6 of 56 apps", older="/settings/integrations?page=2", older_words="Next")
    ),
    manual=AppTable(rows=(integration("Northwind Sync", "https://sync.northwind.example/oauth/callback", under="Added by Priya Raman"),), total=1),
    endpoints=ENDPOINTS,
    policy="approval",
    may_manage=True,
    statuses=(models.Choice(value="active", words="Active"), models.Choice(value="pending", words="Pending approval")),
    scopes=(models.Choice(value="jobs:run", words="jobs:run"),),
    sorts=(models.Choice(value="used", words="Last used", chosen=True), models.Choice(value="name", words="Name")),
    headings=HEADINGS,
    waiting=(WaitingApp(page_id="b3f1", name="ChatGPT", asked_by="Lena Fischer"), WaitingApp(page_id="b3f2", name=EVIL.name)),
    waiting_in_all=2,
)
NOBODY = IntegrationsView(dynamic=AppTable(), manual=AppTable(), endpoints=ENDPOINTS, policy="off", may_manage=False)
NO_MATCH = replace(NOBODY, search="nothing <b>", filtered=True)

BLOCK = confirm(
    "block", "Block", "Block Claude Code?", "Block and end 31 sessions",
    "All 31 sessions end now, for 23 people.",
    "Access tokens already issued stop at once here; a service that does not ask us accepts them for up to 10 minutes.",
    "New registrations with the same metadata are blocked too.",
    "You can unblock it later. People will have to consent again.",
    image="block", asks_reason=True,
)  # fmt: skip
REMOVE = confirm(
    "remove", "Remove", "Remove Claude Code?", "Remove and end 31 sessions",
    "All 31 sessions end now, for 23 people.", "The app leaves this list. Its history stays in the audit log.",
    asks_reason=True,
)  # fmt: skip
APPROVE = confirm("approve", "Approve", "Approve ChatGPT?", "Approve", "Everyone here can connect it.", image="check", destroys=False)
DENY = confirm("deny", "Deny", "Deny ChatGPT?", "Deny", "Nobody can connect it.", image="block", asks_reason=True)

DETAIL = IntegrationDetail(
    page_id="b3f1", app=CLAUDE, status="active", local_only=True, client_id="app_9d6fa3b56b1e4ba0a8f0f9b1b8f00f11",
    method="Dynamic (RFC 7591)", client_type="Public, PKCE S256", redirect_urls=(("http://localhost/callback", True),), registrations=137,
    scopes=("account:read", "projects:query", "jobs:run"),
    metadata=(("Software ID", "claude-code"), ("Grant types", "authorization_code, refresh_token"), ("x" * 70, "y" * 300)),
    created_at=ago(days=260), history=HISTORY,
    stats=(
        models.Stat(label="People", words="23"), models.Stat(label="Active sessions", words="31"),
        models.Stat(label="Last used", at=ago(seconds=40)), models.Stat(label="Refreshes, 7 days", words="6,204", small="19 races"),
        models.Stat(label="Reuse detected, 30 days", words="1"),
    ),
    users=(
        IntegrationUser(name="Maya Castillo", role="Analyst", scopes=("account:read", "projects:query"),
                        projects="jaffle_shop, finance_core", last_used_at=ago(seconds=40), member_id="m1"),
        IntegrationUser(name="Samir Haddad", role="Job Operator", scopes=("projects:develop", "jobs:run"),
                        projects="all projects", last_used_at=None, member_id="m2"),
    ),
    users_in_all=23, people_pager=models.Pager(words="2 of 23", older="/settings/integrations/b3f1?people=1", older_words="Show all"),
    sessions_in_all=31, actions=(BLOCK, REMOVE), may_manage=True,
    use=charts.use_bars((("catalog:read", 23, 22), ("projects:develop", 16, 5), ("jobs:run", 8, 0)), 23),
    activity=chart("Requests", 40), days=DAYS,
)  # fmt: skip
PENDING = replace(
    DETAIL, app=EVIL, status="pending", actions=(APPROVE, DENY), ended_line="Nobody can connect it until an admin decides.", use=(), users=(),
    users_in_all=0, people_pager=None, sessions_in_all=0, activity=charts.bar_chart("Requests", [day.day for day in DAYS], [0] * 30),
    asked=(Asked(person="Lena Fischer", scopes=("projects:query", "jobs:run"), reason="The weekly numbers", at=ago(hours=2), position=1080),
           Asked(person=EVIL.name, scopes=(), reason="", at=ago(hours=3), position=1079)),
)  # fmt: skip
REGISTRATIONS = RegistrationsView(
    page_id="b3f1", app=CLAUDE, total=137,
    rows=(
        Registration(client_id="app_9d6fa3b56b1e4ba0a8f0f9b1b8f00f11", method="Dynamic (RFC 7591)", redirect_urls=("http://localhost:3118/callback",),
                     created_at=ago(days=2), position=12390, last_used_at=None, removed_at=None, removed_words=""),
        Registration(client_id="https://id.example.org/" + "long" * 30, method="Metadata document", redirect_urls=("https://a.example/cb", "x://y"),
                     created_at=ago(days=90), position=1071, last_used_at=ago(days=80), removed_at=ago(days=3),
                     removed_words="Removed, since nobody used it"),
    ),
    pager=models.Pager(words="2 registrations of 137, newest first", older="/settings/integrations/b3f1/registrations?before=1071"),
)  # fmt: skip
NEW_FORM = NewIntegrationForm(
    scopes=tuple(models.Choice(value=s, words=s, chosen=s != "jobs:run") for s in
                 ("account:read", "projects:query", "catalog:read", "projects:develop", "jobs:run")),
    redirect_uris="javascript:alert(1)", errors={"name": "Give the app a name.", "redirect_uris": "“javascript:” is not allowed."},
)  # fmt: skip


def strip(ended: datetime | None = None, *, reuse: bool = False, gap: float = charts.STRIP_GAP) -> charts.Strip:
    marks: list[tuple[datetime, charts.MarkKind]] = [(ago(days=6.5 - n / 9), "refresh") for n in range(54)]
    marks += [(ago(days=5), "race"), (ago(days=1.2), "race")]
    if reuse:
        marks.append((ago(minutes=14), "reuse"))
    return charts.strip(marks, since=ago(days=7), now=NOW, begins_at=ago(days=16), ends_at=ended, gap=gap)


def session(grant: str, person: str, app: models.AppMark, **more: object) -> SessionRow:
    idle_window, idle_ends_at = timedelta(days=7), more.pop("idle_ends_at", ago(days=-6, hours=-23))
    assert isinstance(idle_ends_at, datetime)
    left = share(NOW, idle_ends_at - idle_window, idle_ends_at)
    values: dict[str, object] = {
        "grant_id": grant, "person": person, "app": app, "device": "", "projects": "2 of 6 projects",
        "scopes": ("account:read", "projects:query", "projects:develop"), "refreshes": 54, "races": 2, "strip": strip(),
        "last_refreshed_at": ago(seconds=40), "created_at": ago(days=16), "idle_ends_at": idle_ends_at,
        "idle_window": idle_window, "ends_at": ago(days=-74), "low": left < 0.2, "share_left": left,
        "revoke": confirm(f"rv-{grant}", "Revoke", "Revoke this session?", "Revoke session", "It ends now.",
                          "Other sessions continue."),
    } | more  # fmt: skip
    return SessionRow(**values)  # type: ignore[arg-type]


SESSIONS = SessionsView(
    stats=(models.Stat(label="Active now", words="118"), models.Stat(label="People", words="41"),
           models.Stat(label="End within 24 h", words="7"), models.Stat(label="Races in grace, 7 days", words="23"),
           models.Stat(label="Reuse detected, 30 days", words="2")),
    filters=(
        models.Filter(name="user", label="Person", hint="Name or email"),
        models.Filter(name="client", label="App", hint="Name or client ID", value="Claude Code"),
        models.Filter(name="project", label="Project", any_words="All projects"),
    ),
    filtered=True,
    rows=(
        session("g1", "Maya Castillo", CLAUDE),
        session("g5", "Ines Duarte", mark("Cursor"), idle_ends_at=ago(hours=-8, minutes=-35), refreshes=2, races=0),
        session("g6", "Evil Person", EVIL, last_refreshed_at=None, scopes=()),
    ),
    pager=models.Pager(words="3 sessions, newest first", older="/settings/sessions?before=3"),
    ended=(EndedSession(grant_id="g9", person="Tom Okafor", app=CLAUDE, device="", ended_at=ago(minutes=14),
                        strong="A token three rotations old came back from another address.",
                        sentence="The session had last refreshed 41 minutes earlier. Presented from 203.0.113.77.", position=12471,
                        strip=strip(ago(minutes=14), reuse=True, gap=charts.WIDE_STRIP_GAP)),),
    may_manage=True, mcp_url=MCP, revoke_all=(RevokeAll("Revoke all 31 sessions of Claude Code", "/settings/sessions/revoke-all?client=b3f1"),),
)  # fmt: skip
NO_SESSIONS = replace(SESSIONS, filtered=False, rows=(), pager=models.Pager(words="No sessions"), ended=(), may_manage=False, revoke_all=())
SESSION = SessionDetail(
    row=session("g1", "Maya Castillo", CLAUDE), state="active", ended_line="", told="", facts=(("Resource", MCP),),
    history=HISTORY, page_id="b3f1",
)  # fmt: skip

OVERVIEW_VIEW = OverviewView(
    attention=(
        Attention(kind="bad", image="warning", words="The view “usage” stopped at event 11,900. Decisions are not affected.",
                  detail="KeyError: 'scope'", url="/settings/audit/11901", link="The event"),
        Attention(kind="warn", image="gate", words=f"{app_words.plain_name(EVIL.name)} waits for approval.",
                  detail="Asked for by Lena Fischer, for projects:query and jobs:run. “The weekly numbers”", url="/x", link="Review"),
        Attention(kind="", image="lock", words="3 sign-ins failed in 7 days.", detail="412 sign-ins succeeded.", url="/x", link="Which ones"),
    ),
    stats=(models.Stat(label="Apps", words="12"), models.Stat(label="Active sessions", words="118"), models.Stat(label="People", words="41")),
    charts=(chart("Registrations"), chart("Refreshes", 900), chart("Actions", 30)),
    days=DAYS, history=HISTORY,
)  # fmt: skip
QUIET = OverviewView(
    attention=(), stats=OVERVIEW_VIEW.stats, charts=(charts.bar_chart("Actions", [day.day for day in DAYS], [0] * 30),), days=DAYS, history=(),
    mcp_url=MCP,
)  # fmt: skip


def _list(view: IntegrationsView, pending: int = 0) -> Entry:
    return "settings/integrations/list.html", samples.page("App integrations", LIST, pending=pending), {"view": view}


def _detail(view: IntegrationDetail) -> Entry:
    return "settings/integrations/detail.html", samples.page("Claude Code", LIST, notices=NOTES), {"view": view}


APPS: dict[str, Entry] = {
    "overview": ("settings/overview.html", samples.page("Overview", OVERVIEW), {"view": OVERVIEW_VIEW}),
    "overview-quiet": ("settings/overview.html", samples.page("Overview", OVERVIEW), {"view": QUIET}),
    "integrations": _list(INTEGRATIONS, 2),
    "integrations-empty": _list(NOBODY),
    "integrations-no-match": _list(NO_MATCH),
    "integration": _detail(DETAIL),
    "integration-pending": _detail(PENDING),
    "integration-registrations": (
        "settings/integrations/registrations.html", samples.page("Registrations", LIST), {"view": REGISTRATIONS},
    ),
    "integration-new": (
        "settings/integrations/new.html", samples.page("Add integration", LIST), {"view": NEW_FORM, "endpoints": ENDPOINTS},
    ),
    "integration-block": (
        "settings/confirm.html", samples.page("Block", LIST), {"confirm": BLOCK, "back": "/settings/integrations/b3f1"},
    ),
    "sessions": ("settings/sessions/list.html", samples.page("Active sessions", SESSIONS_HERE), {"view": SESSIONS}),
    "sessions-empty": ("settings/sessions/list.html", samples.page("Active sessions", SESSIONS_HERE), {"view": NO_SESSIONS}),
    "session": ("settings/sessions/detail.html", samples.page("Session", SESSIONS_HERE), {"view": SESSION}),
}  # fmt: skip
