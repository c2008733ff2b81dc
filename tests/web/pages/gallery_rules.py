"""Sample views of the pages that set rules: policy, scopes, resources, signing keys."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from application.rotate_keys import Stage
from domain.account import Account
from domain.base import Context
from domain.ids import account_stream
from domain.scopes import DEFAULT_CATALOGUE
from tests.web.pages import samples
from web.pages import keys_models, models, policy_models, policy_views, resources_models, resources_views, scopes_models, scopes_views
from web.pages.policy_views import UNITS

POLICY = "settings.policy.show"
CATALOGUE = {scope.code: scope for scope in DEFAULT_CATALOGUE}
Entry = tuple[str, models.Page, dict[str, object]]


def an_account() -> Account:
    """An account with a policy of its own."""
    context = Context("x", samples.NOW, "ui", lambda: "5a" * 16)
    account = Account.open(account_stream("jaffle"), "jaffle", "Jaffle Analytics", context)
    account.change_registration_policy({"registration": "allow-list", "allowed_redirect_hosts": "claude.ai cursor: localhost"}, context)
    account.change_session_policy({"refresh_grace": "0"}, context)
    return account


ACCOUNT = an_account()
CHANGE = models.HistoryEntry(
    image="info", kind="", actor="Priya Raman", sentence="changed registration to allow-list.", said="", at=samples.ago(hours=2),
    event_type="policy.changed", first_position=12481, last_position=12481,
)  # fmt: skip
VIEW = policy_models.PolicyView(
    included=True, plan="enterprise", may_manage=True, registration=policy_views.registration_form(ACCOUNT),
    sessions=policy_views.session_form(ACCOUNT.session_policy), warnings=("Without a grace every race of a client ends the session.",),
    per_address=30, history=(CHANGE,),
)  # fmt: skip
WOULD = policy_models.WouldRefuse(
    page_id="b3f1", name=samples.EVIL.name, why="Only listed apps can register here, and cb.evil.example is not listed.", people=2,
    registered_at=samples.ago(days=12),
)  # fmt: skip
ANSWER = policy_models.Answer(
    sentence="With this policy the last 90 days would have refused 3 apps of 41, used by 2 people.", refused=(WOULD, replace(WOULD, page_id="b3f2")),
    refused_in_all=3,
)  # fmt: skip
WRONG = replace(VIEW.registration, errors={"hosts": "'https://claude.ai/cb' is no host: write it alone, such as claude.ai."})


def _policy() -> dict[str, Entry]:
    template, page = "settings/policy.html", samples.page("Policy", POLICY)
    more: dict[str, object] = {"units": UNITS, "catalogue": CATALOGUE}
    views = {
        "policy": VIEW,
        "policy-what-if": replace(VIEW, answer=ANSWER),
        "policy-wrong": replace(VIEW, registration=WRONG),
        "policy-viewer": replace(VIEW, may_manage=False, history=()),
        "policy-plan": replace(VIEW, included=False, plan="starter"),
    }
    return {name: (template, page, {"view": view, **more}) for name, view in views.items()}


def _row(kid: str, stage: Stage, words: str, at: datetime | None = None) -> keys_models.KeyRow:
    return keys_models.KeyRow(kid=kid * 8, alg="ES256", stage=stage, created_at=samples.ago(days=40), next=words, next_at=at)


def _keys() -> dict[str, Entry]:
    rotate = samples.confirm("rotate-token", "Publish a new key", "Publish a new key?", "Publish a new key", "Nobody is signed out.", destroys=False)
    rows = (
        _row("c0de", "waiting", "Published; signs as soon as every worker has read it", samples.ago(seconds=-40)),
        _row("beef", "signing", "Signs; stays until another takes over"),
        _row("f00d", "checking", "Signs nothing new; retired once the last token that it signed has died", samples.ago(hours=-20)),
        _row("dead", "retired", "No longer published; what it signed counts nothing", samples.ago(days=3)),
    )
    token = keys_models.KeyGroup(use="token", heading="Access tokens", words="Sign the access tokens that apps get.", rows=rows, rotate=rotate)
    none = replace(token, use="assertion", heading="Gateway assertions", rows=(), rotate=replace(rotate, id="rotate-assertion"))
    view = keys_models.KeysView(groups=(token, none), jwks_url="https://app.jaffle.example/.well-known/jwks.json", history=(CHANGE,))
    bare = replace(view, groups=(replace(token, rotate=None),), history=())
    page = samples.page("Signing keys", "settings.keys.list")
    return {"keys": ("settings/keys.html", page, {"view": view}), "keys-viewer": ("settings/keys.html", page, {"view": bare})}


OPERATIONS = {
    "tools": {"query_metrics": {"scope": "projects:query", "project_argument": "project"}, "run_" + "a_very_long_name_" * 6: "jobs:run"},
    "resources": {"docs://models/*": "catalog:read"},
}


def _resources() -> dict[str, Entry]:
    long = "https://a-very-long-host-name-for-a-resource.data.jaffle.example/api/ai/v1/mcp/with/a/long/path"
    row = resources_models.ResourceRow(
        resource_id="res_0a9c1c5e6a534c7f9f0e1d9a", identifier=long, own="", scopes=tuple(CATALOGUE), upstream="http://10.0.0.5:9000/mcp",
        operations=3,
    )  # fmt: skip
    own = replace(row, identifier=samples.MCP, own="This server's MCP endpoint", upstream="", operations=0)
    several = resources_models.ResourcesView(rows=(own, row), may_manage=True, history=(CHANGE,))
    rotate = samples.confirm("rotate", "New secret", "Make a new introspection secret?", "Make a new secret", "No session ends.", image="refresh")
    remove = samples.confirm("remove", "Remove", "Remove this resource?", "Remove and end 31 sessions", "31 sessions for it end now.")
    view = resources_models.ResourceView(
        row=row, operations=tuple(resources_views.operations_of(OPERATIONS)), sessions=31, people=23,
        introspection_url="https://app.jaffle.example/oauth/introspect", metadata_url=f"{long}/.well-known/oauth-protected-resource", may_manage=True,
        needs_upstream=False, rotate=rotate, remove=remove, history=(CHANGE,), secret="s" * 43,
    )  # fmt: skip
    bare = replace(view, row=own, operations=(), sessions=0, people=0, may_manage=False, needs_upstream=True, rotate=None, remove=None, secret="")
    form = resources_views.new_form(ACCOUNT)
    wrong = replace(form, identifier="x", operations="{", errors={"identifier": "Not a URL.", "operations": "This can't be read as JSON (line 1)."})
    changed = replace(form, resource_id=row.resource_id, identifier=long, upstream="unix:/run/mcp.sock")
    page, more = samples.page("Resources", "settings.resources.list"), {"catalogue": CATALOGUE}
    return {
        "resources": ("settings/resources.html", page, {"view": several}),
        "resources-empty": ("settings/resources.html", page, {"view": replace(several, rows=(), history=())}),
        "resource": ("settings/resource.html", samples.page(long, "settings.resources.list"), {"view": view}),
        "resource-viewer": ("settings/resource.html", page, {"view": bare}),
        "resource-new": ("settings/resource_form.html", page, {"view": wrong, **more}),
        "resource-change": ("settings/resource_form.html", page, {"view": changed, **more}),
    }


def _scopes() -> dict[str, Entry]:
    def row(code: str, sessions: int, *served_by: str) -> scopes_models.ScopeRow:
        scope = CATALOGUE[code]
        return scopes_models.ScopeRow(
            code=code, title=scope.title, description=scope.description, needs=scope.permission or "", per_project=scope.per_project,
            acts=scope.acts, dynamic=scope.dynamic, sessions=sessions, served_by=served_by,
        )  # fmt: skip

    rows = tuple(row(code, 1200, *(() if code == "offline_access" else (samples.MCP,))) for code in CATALOGUE)
    view = scopes_models.ScopesView(rows=rows, may_manage=True, history=(CHANGE,))
    remove = samples.confirm("remove", "Remove", "Remove jobs:run?", "Remove the scope", "12 sessions lose it.")
    change = replace(scopes_views.form_of(ACCOUNT, CATALOGUE["account:manage"], 0), remove=remove)
    new = replace(scopes_views.new_form(), errors={"code": "A scope's code has 1 to 60 of a-z."})
    page = samples.page("Scopes", "settings.scopes.list")
    return {
        "scopes": ("settings/scopes.html", page, {"view": view}),
        "scopes-viewer": ("settings/scopes.html", page, {"view": replace(view, may_manage=False, history=())}),
        "scope-new": ("settings/scope_form.html", page, {"view": new}),
        "scope-change": ("settings/scope_form.html", page, {"view": change}),
    }


RULES: dict[str, Entry] = _policy() | _keys() | _resources() | _scopes()
