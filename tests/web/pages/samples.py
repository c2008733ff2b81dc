"""Sample view models ("now" is 24 November 2026, 13:05 UTC), from which every template is rendered in tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from web.pages import account_models as account
from web.pages import app_words, audit_models, charts, models, reconnect
from web.pages.scope_words import words_of

NOW = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
MCP = "https://app.jaffle.example/api/ai/v1/mcp"


def ago(**parts: float) -> datetime:
    return NOW - timedelta(**parts)


ADMIN = models.Viewer(name="Priya Raman", email="priya@jaffle.example", role="Account Admin", may_manage=True, sees_settings=True)
MEMBER = models.Viewer(name="Maya Castillo", email="maya.castillo@jaffle.example", role="Analyst")
LAG = models.LagLine(state="current", position=12482, seconds=0.2)


def mark(name: str, verified: bool = False) -> models.AppMark:
    return models.AppMark(name=name, key=f"app_{name}", verified=verified)


CLAUDE = mark("Claude Code")
EVIL = mark("\u202eevil\u0000 <script>alert(1)</script>" + "x" * 80)


def page(title: str, here: str = "", **more: object) -> models.Page:
    trail = (models.Step(title),)
    return models.Page(titles=(title,), here=here, trail=trail, viewer=ADMIN, lag=LAG, **more)  # type: ignore[arg-type]


def confirm(id_: str, verb: str, question: str, button: str, *points: str, **more: object) -> models.Confirm:
    return models.Confirm(
        id=id_, verb=verb, action=f"/x/{id_}", question=question, points=points, button=button,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


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


ENDPOINTS = (
    models.Endpoint(id="ep1", label="Authorize URL", url="https://app.jaffle.example/oauth/authorize"),
    models.Endpoint(id="ep2", label="Token URL", url="https://app.jaffle.example/oauth/token"),
    models.Endpoint(id="ep3", label="Issuer metadata", url="https://app.jaffle.example/.well-known/oauth-authorization-server"),
    models.Endpoint(id="ep4", label="MCP endpoint URL", url=MCP),
)  # fmt: skip

HISTORY = (
    models.HistoryEntry(
        image="cross", kind="bad", actor="", sentence="Reuse detected. A refresh token three rotations old was presented.",
        said="", at=ago(minutes=14), event_type="refresh_token.reuse_detected", first_position=12471, last_position=12471,
    ),
    models.HistoryEntry(
        image="check", kind="ok", actor="Lena Fischer", sentence="allowed 4 of 6 permissions in 2 projects.", said="",
        at=ago(minutes=52), event_type="oauth_client.authorization_approved", first_position=12455, last_position=12455,
    ),
    models.HistoryEntry(
        image="refresh", kind="", actor="", sentence="Registered again 31 times. Same metadata, so still one app.", said="",
        at=ago(hours=2), event_type="oauth_client.registered", first_position=12390, last_position=12451,
    ),
    models.HistoryEntry(
        image="shield", kind="info", actor="Priya Raman", sentence="approved it for everyone.",
        said="Analytics engineering needs it. Localhost only, so keep it unverified.",
        at=ago(days=200), event_type="oauth_client.approved", first_position=1102, last_position=1102,
    ),
)  # fmt: skip


def audit_row(position: int, event_type: str, sentence: str, actor: str, **more: object) -> audit_models.AuditRow:
    values: dict[str, object] = {
        "position": position, "at": ago(minutes=(12482 - position) * 2 + 1), "event_type": event_type,
        "sentence": sentence, "actor": actor, "address": "198.51.100.7", "app": "Claude Code",
        "url": f"/settings/audit/{position}",
    } | more  # fmt: skip
    return audit_models.AuditRow(**values)  # type: ignore[arg-type]


AUDIT = audit_models.AuditView(
    filters=(
        models.Filter(name="from", label="From, UTC", type="date", value="2026-11-17"),
        models.Filter(name="to", label="To, UTC", type="date"),
        models.Filter(name="type", label="Event type", any_words="All types",
                      options=(models.Choice(value="oauth_grant.revoked", words="oauth_grant.revoked", chosen=True),)),
        models.Filter(name="user", label="Person", hint="Name or email"),
        models.Filter(name="client", label="App", any_words="All apps"),
    ),
    filtered=True, range_words="17 to 24 November 2026.",
    rows=(
        audit_row(12482, "refresh_token.issued", "Session of Maya Castillo, rotation 812", "Maya Castillo"),
        audit_row(12471, "refresh_token.reuse_detected", "Session of Tom Okafor ended", "The app itself"),
        audit_row(12388, "permission.removed", "Lena Fischer lost jobs.run in marketing", "Priya Raman", app="", address=""),
        audit_row(12361, "oauth_client.registered", EVIL.name, "The app itself", app=EVIL.name),
    ),
    pager=models.Pager(words="4 events", older="/settings/audit?before=12361", newer="/settings/audit"),
    opened=audit_models.OpenedEvent(
        position=12471, at=ago(minutes=14), recorded='{\n  "topic": "grant.reuse_detected",\n  "generation": 70\n}',
        leaf_hash="f042e388df82a79b377897ddd4d2af74536ff866d2ae9b1e2cb8f5739fef8e30",
        stream="6e2d3c0e-0f4a-4a55-9b31-2f9f6f0a1d11, version 74", links=(("Session", "/settings/sessions/g1"),),
        proof=audit_models.EventProof(
            state="proved", size=12480, root="9c" * 32, signature="— auth.example.com/ledger " + "A" * 90, path=("ab" * 32, "cd" * 32),
            files=(("Event, byte for byte", "/settings/audit/12471.leaf"), ("Proof", "/settings/audit/12471.tlog-proof")),
        ),
        told="Refresh token 70 was spent from 203.0.113.7 (Editor/1.2) and came again from 198.51.100.4 (curl/8), 3 hours later.",
        strip=charts.strip(
            [*((ago(days=6.5 - n / 9), "refresh") for n in range(54)), (ago(days=5), "race"), (ago(minutes=14), "reuse")],
            since=ago(days=7), now=ago(minutes=14), begins_at=ago(days=7), ends_at=ago(minutes=14), gap=charts.WIDE_STRIP_GAP,
        ),
    ),
    exports=(("CSV", "/settings/audit/export.csv"), ("JSON Lines", "/settings/audit/export.jsonl")),
    with_manifest=(("CSV", "/settings/audit/export.csv.zip"), ("JSON Lines", "/settings/audit/export.jsonl.zip")),
)  # fmt: skip

TERMS = account.SessionTerms(
    idle_window=timedelta(days=7), absolute_lifetime=timedelta(days=90), ends_by=ago(days=-90),
    access_token=timedelta(minutes=10),
)  # fmt: skip


def scope(code: str, *, ticked: bool, lacking: str = "", new: bool = False) -> account.ScopeChoice:
    words = words_of(code)
    return account.ScopeChoice(scope=code, title=words.title, description=words.description, acts=words.acts, ticked=ticked, lacking=lacking, new=new)


CONSENT_VALUES: dict[str, object] = {
    "request_id": "rq_1", "app": CLAUDE, "redirect_kind": "loopback", "redirect_host": "localhost",
    "redirect_scheme": "http", "registered_at": ago(minutes=4), "registered_how": "by itself",
    "allowed_by": "by an admin", "allowed_at": datetime(2026, 3, 12, 9, 2, 17, tzinfo=UTC), "identity_host": "",
    "scopes": (
        scope("account:read", ticked=True), scope("projects:query", ticked=True),
        scope("catalog:read", ticked=True), scope("projects:develop", ticked=False),
        scope("jobs:run", ticked=False, lacking="Your role, Analyst, does not include this."),
    ),
    "projects": tuple(account.ProjectChoice(id=f"prj_{n}", name=n, ticked=n == "jaffle_shop") for n in
                      ("jaffle_shop", "finance_core", "marketing_attribution", "supply_chain", "ml_features", "sandbox_maya")),
    "projects_in_all": 6, "all_projects": False, "needs_projects": True, "keep_alive_offered": True, "keep_alive": True,
    "terms": TERMS, "email": MEMBER.email,
}  # fmt: skip


MORE = (scope("projects:query", ticked=True), scope("projects:develop", ticked=False, new=True), scope("catalog:read", ticked=True, new=True))


def consent(**more: object) -> account.ConsentView:
    return account.ConsentView(**(CONSENT_VALUES | more))  # type: ignore[arg-type]


def cannot(variant: account.CannotConnectVariant, **more: object) -> account.CannotConnectView:
    values: dict[str, object] = {
        "variant": variant, "app_name": "mcp-remote", "error": "invalid_client", "error_words": "client removed",
        "request_id": "req_01JDF7K9Q2", "client_id": "app_2bN8qWd0ZrY1u",
    } | more  # fmt: skip
    return account.CannotConnectView(**values)  # type: ignore[arg-type]


STEPS = reconnect.steps_for(("http://localhost:4711/oauth/callback",))
CANNOT = {
    "removed": cannot("removed", at=ago(days=3), event=12203, steps=STEPS, others=reconnect.others(STEPS)),
    "unknown": cannot("unknown", app_name="", others=reconnect.others(None)),
    "blocked": cannot("blocked", by="Priya Raman", at=ago(days=3), event=12203, reason="Unknown publisher", admins=("Priya Raman",)),
    "pending": cannot("pending", error="access_denied", error_words="approval required", admins=("Priya Raman", "Jonas Weber")),
    "redirect_mismatch": cannot(
        "redirect_mismatch", steps=STEPS, others=reconnect.others(STEPS), error="invalid_request",
        sent=app_words.marked_difference("https://cb.example.com/done?x", "https://cb.example.org/done"),
        registered=(app_words.marked_difference("https://cb.example.org/done", "https://cb.example.com/done?x"),),
    ),
    "registration_off": cannot("registration_off", admins=("Priya Raman",)),
    "no_plan": cannot("no_plan", error="access_denied", admins=("Priya Raman",)),
    "expired": cannot("expired", error="invalid_request", error_words="request expired"),
    "too_many": cannot("too_many", error="temporarily_unavailable", error_words="too many requests"),
    "bad_request": cannot("bad_request", error="invalid_request", error_words="code_challenge is missing"),
}  # fmt: skip


def connected(name: str, verified: bool = False, **more: object) -> account.ConnectedApp:
    values: dict[str, object] = {
        "id": f"c-{name}", "app": mark(name, verified), "where": "localhost, this computer",
        "scopes": ("account:read", "projects:query", "offline_access"), "projects": "jaffle_shop, finance_core",
        "agreed_at": ago(days=16), "receipt": 11204, "last_used_at": ago(seconds=40), "sessions": "2",
        "ends": "after 7 days without use, 6 Feb 2027 at the latest", "unused_days": 0,
        "revoke": confirm(f"rv-{name}", "Revoke", f"Revoke {name}?", "Revoke", "It can no longer act for you, from now on."),
    } | more  # fmt: skip
    return account.ConnectedApp(**values)  # type: ignore[arg-type]


CONNECTED = account.ConnectedAppsView(
    apps=(connected("Claude-Code", own_sessions=(
              account.OwnSession(device="a Python program", began_at=ago(days=16), last_used_at=ago(seconds=40),
                                 ends="in 7 days if it is not used, 6 Feb 2027 at the latest",
                                 revoke=confirm("end-1", "Revoke", "Revoke this session of Claude Code?", "Revoke session", "It ends.")),
              account.OwnSession(device=EVIL.name, began_at=ago(days=2), last_used_at=ago(days=1), ends="in 3 min, then it must ask you again",
                                 revoke=confirm("end-2", "Revoke", "Revoke this session of Claude Code?", "Revoke session", "It ends.")),
          )), connected("Claude", verified=True), connected("Inspector", unused_days=26, receipt=None)),
    ended=(account.EndedApp(app=mark("Cursor"), ended_at=ago(days=22), why="You revoked it", receipt=11020),),
    revoke_all=confirm("all", "Revoke all", "Revoke all 3 apps?", "Revoke all 3", "None of them can act for you.", keep="Keep them"),
    mcp_url=MCP,
)  # fmt: skip
RECEIPT = account.ReceiptView(
    position=11204, at=ago(days=16), recorded='{"topic": "consent.given"}', leaf_hash="f0" * 32,
    sentences=("You allowed Claude Code to act for you in Jaffle Analytics.", "It may see account details and query metrics."),
)  # fmt: skip

NARROW = account.NarrowView(
    consent_id="c-1",
    app=CLAUDE,
    scopes=(scope("projects:query", ticked=True), scope("jobs:run", ticked=True)),
    projects=(account.ProjectChoice(id="prj_1", name="jaffle_shop", ticked=False),),
    may_keep_all=True,
    all_projects=True,
)
