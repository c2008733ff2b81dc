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
from web.pages import keys_models, models, policy_models, policy_views
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


RULES: dict[str, Entry] = _policy() | _keys()
