"""Every template with sample data, by name: what the rendering tests and the screenshots go through."""

from __future__ import annotations

from tests.web.pages import samples
from tests.web.pages.gallery_apps import APPS
from tests.web.pages.gallery_evidence import EVIDENCE
from tests.web.pages.gallery_ledger import LEDGER
from tests.web.pages.gallery_people import PEOPLE
from tests.web.pages.gallery_rules import RULES
from web.pages import account_models as account
from web.pages import models
from web.pages import setup_models as setup

AUDIT, URLS = "settings.audit.list", "settings.access_urls.show"
BARE = models.Page(titles=("Sign in",))
OWN = models.Page(titles=("Connected apps",), viewer=samples.MEMBER, lag=samples.LAG)
SIGN_IN = account.SignInView(host="app.jaffle.example", next="/connected-apps", asking_app="Claude Code")
PROBLEM = account.SignInView(host="app.jaffle.example", next="", email="a@b.example", problem="Email or password is not right.")
ERROR = account.ErrorView(
    status=403, heading="Only account admins can see this.", changed="Nothing was changed.",
    advice="The admins are Priya Raman and Jonas Weber.", request_id="req_01JDF7K9Q2",
)  # fmt: skip
Entry = tuple[str, models.Page, dict[str, object]]


def _account() -> dict[str, Entry]:
    cannot: dict[str, Entry] = {
        f"cannot-{name}": ("account/cannot_connect.html", models.Page(titles=("Cannot connect",), error=True), {"view": view})
        for name, view in samples.CANNOT.items()
    }  # fmt: skip
    remote = samples.consent(redirect_kind="web", redirect_host="cb.example.com")
    scheme = samples.consent(
        redirect_kind="scheme", redirect_scheme="cursor", app=samples.mark("Cursor"), allowed_before_at=samples.ago(days=16),
        scopes=(samples.scope("projects:develop", ticked=False, new=True),),
        errors={"scope": "Choose at least one permission, or deny.", "project_id": "Choose at least one project."},
    )  # fmt: skip
    pending = samples.consent(redirect_kind="web", redirect_host="cb.example.com", identity_host="id.example.org", pending=True)
    empty = account.ConnectedAppsView(apps=(), ended=(), revoke_all=None, mcp_url=samples.MCP)
    return cannot | {
        "sign-in": ("account/sign_in.html", BARE, {"view": SIGN_IN}),
        "sign-in-wrong": ("account/sign_in.html", BARE, {"view": PROBLEM}),
        "sign-out": ("account/sign_out.html", OWN, {"next": "/connected-apps"}),
        "consent": ("account/consent.html", OWN, {"view": samples.consent()}),
        "consent-remote": ("account/consent.html", OWN, {"view": remote}),
        "consent-scheme": ("account/consent.html", OWN, {"view": scheme}),
        "consent-pending": ("account/consent.html", OWN, {"view": pending}),
        "consent-more": ("account/consent.html", OWN, {"view": samples.consent(scopes=samples.MORE, allowed_before_at=samples.ago(days=16))}),
        "consent-evil": ("account/consent.html", OWN, {"view": samples.consent(app=samples.EVIL)}),
        "connected": ("account/connected_apps.html", OWN, {"view": samples.CONNECTED}),
        "connected-empty": ("account/connected_apps.html", OWN, {"view": empty}),
        "narrow": ("account/narrow.html", OWN, {"view": samples.NARROW}),
        "receipt": ("account/receipt.html", OWN, {"view": samples.RECEIPT}),
        "error-center": ("errors/center.html", BARE, {"view": ERROR}),
        "error-shell": ("errors/shell.html", samples.page("Not allowed", error=True), {"view": ERROR}),
    }  # fmt: skip


def _evidence() -> dict[str, Entry]:
    return LEDGER | {
        "access-urls": ("settings/access_urls.html", samples.page("Access URLs", URLS), {"endpoints": samples.ENDPOINTS, "registration": "open"}),
        "audit": ("settings/audit/list.html", samples.page("Audit log", AUDIT), {"view": samples.AUDIT}),
    }  # fmt: skip


def _first_run() -> dict[str, Entry]:
    step = models.Page(titles=("Set up, step 3 of 4",), viewer=samples.MEMBER, lag=samples.LAG)
    scopes = tuple(models.Choice(value=s, words=s, chosen=s != "jobs:run") for s in ("account:read", "projects:query", "jobs:run"))
    account_step = setup.AccountStep(token="t", account_name="Jaffle", slug="Jaffle!", errors={"account": "An account's short name has letters."})
    admin = setup.AdminStep(token="t", account_name="Jaffle", slug="jaffle", errors={"password": "Use at least 12 characters."})
    resource = setup.ResourceStep(registered=(samples.MCP,), mcp_url=samples.MCP, scopes=scopes, errors={"scope": "Choose one."})
    secret = setup.NewSecret(identifier="https://api.jaffle.example", resource_id="res_1", secret="s" * 43)
    app = setup.AppStep(mcp_url=samples.MCP, registers=True, answers=False, scopes=scopes, secret=secret)
    closed = setup.AppStep(mcp_url=samples.MCP, registers=False, scopes=scopes, errors={"redirect_uris": "“javascript:” is not allowed."})
    todo = (
        setup.NextStep(words="Connect an app", detail="Give it this URL.", done=False, url="/settings/integrations", link="Apps", copy=samples.MCP),
        setup.NextStep(words="Let your people in", detail="Connect your identity provider.", done=True, url="/settings/sso", link="SSO"),
    )  # fmt: skip
    first = setup.FirstStepsView(steps=todo, app_name=samples.EVIL.name, client_id="app_1")
    return {
        "setup-account": ("setup/account.html", BARE, {"view": account_step}),
        "setup-admin": ("setup/admin.html", BARE, {"view": admin}),
        "setup-resource": ("setup/resource.html", step, {"view": resource}),
        "setup-app": ("setup/app.html", step, {"view": app}),
        "setup-app-closed": ("setup/app.html", step, {"view": closed}),
        "first-steps": ("settings/first_steps.html", samples.page("First steps", "settings.first_steps.show"), {"view": first}),
    }  # fmt: skip


GALLERY: dict[str, Entry] = APPS | _account() | _evidence() | EVIDENCE | _first_run() | RULES | PEOPLE
