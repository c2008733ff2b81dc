"""Every route of the server, walked as the other account's admin: with its sessions, tokens and secrets, and with this account's ids everywhere."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import psycopg
import pytest
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from application import manage_policies, manage_resources, scim_token
from application.introspect_token import judge
from infrastructure.past.questions import QUESTIONS
from infrastructure.projector import Projector
from projections.events import PersonalReader
from tests.support.account_things import called, furnished, settled, streams_of
from tests.support.accounts import AccountWorld, TwoAccounts, two_accounts
from tests.support.http_flow import hidden
from tests.support.oauth_world import CLI
from tests.support.postgres import Database

PUBLIC = {
    "wellknown.document", "api_docs.show", "api_documents.description", "health.healthz", "health.readyz", "static", "sign_in.show", "sign_in.submit",
    "sign_in.start", "sign_in.sign_out", "sso.start", "sso.callback", "setup.show", "setup.submit", "oauth.authorize", "oauth.token", "oauth.revoke",
    "oauth.introspect", "oauth.register", "ledger.checkpoint", "ledger.tile",
}  # fmt: skip
"""What answers strangers too. Each account's sign-in, discovery and set-up are open to all; of what they say, nothing is another's."""
NEITHER = {"kind", "part", "question", "path", "filename", "rest", "permission", "use", "scope", "policy", "section", "step", "deed", "code", "size"}
"""Arguments that name nothing of an account."""
TYPED = {"email", "domain", "resource", "permission"}
"""What acme's admin may enter in acme as well: the walk does, and it is acme's from then on. Umbra has others of each, which nobody enters."""
_FILTERS = re.compile(r'"filter":\{[^}]*\}')
"""What acme's admin asked an export for stands in acme's record."""
ENDS_THE_SESSION = {"sign_in.sign_out", "sign_ins.end_others"}


@dataclass
class Walk:
    """Acme's own things and umbra's, by the names under which routes, queries and bodies speak of them, and what no answer to acme may hold."""

    two: TwoAccounts
    own: dict[str, str]
    ids: dict[str, str]
    words: set[str]
    unsent: set[str]
    umbra_scim: str
    acme_token: str = ""
    acme_scim: str = ""
    faults: list[str] = field(default_factory=list)

    def asked(self, at: AccountWorld, method: str, path: str, **how: Any) -> TestResponse:
        """As acme's admin: a fresh session, the API token (or the directory's, at SCIM), and nothing else."""
        self.be_somebody()
        browser = self.two.client(at.host)
        session = self.two.acme.session(self.two.acme.admin_id)
        browser.set_cookie("gb_session", session, domain=at.host.partition(":")[0])
        token = self.acme_scim if path.startswith("/scim/") else self.acme_token
        if path.startswith(("/scim/", "/api/v1/")):
            how["headers"] = {"Authorization": f"Bearer {token}", "If-Match": "*", **how.get("headers", {})}
        elif method == "POST" and "data" in how:
            how["data"] = {**how["data"], "csrf_token": hidden(browser.get("/connected-apps").text).get("csrf_token", "")}
        return browser.open(path, method=method, **how)

    def be_somebody(self) -> None:
        """The walk asks for much that ends what acme has itself: its plan, its tokens. They are made anew, so that each request is an admin's."""
        acme = self.two.acme
        services, account_id = acme.services, acme.account_id
        if not (self.acme_token and judge(services, account_id, self.acme_token, services.clock())):
            manage_policies.change_plan(services, account_id, "enterprise", origin=CLI)
            if acme.api not in acme.account.resources:
                manage_resources.add(services, account_id, identifier=acme.api, scopes=manage_resources.API_SCOPES, origin=CLI)
            self.acme_token = acme.api_token()
        if not scim_token.valid(services, account_id, self.acme_scim):
            self.acme_scim = scim_token.rotate(services, account_id, origin=CLI, actor_id=acme.admin_id).token

    def judge(self, said: TestResponse, statuses: set[int], what: str, *, sent: str = "", words: set[str] | None = None) -> None:
        """Note whatever an answer should not have been or held; what the request itself said may come back."""
        if said.status_code not in statuses:
            self.faults.append(f"{what}: {said.status_code} {said.text[:200]!r}")
        told = _FILTERS.sub("", said.text + str(said.headers))
        self.faults += [f"{what}: holds {word!r}" for word in sorted(self.words if words is None else words) if word in told and word not in sent]
        said.close()


@pytest.fixture(scope="module")
def walk(module_database: Database) -> Iterator[Walk]:
    stop = threading.Event()
    with two_accounts(module_database) as two:
        projector = Projector(two.app.dsn, lambda: PersonalReader(two.app.keyring.open, two.app.keyring.prefetch))
        thread = threading.Thread(target=projector.run, args=(stop,), daemon=True)
        thread.start()
        try:
            assert projector.leading.wait(20)
            yield prepared(two)
        finally:
            stop.set()
            thread.join(10)


def prepared(two: TwoAccounts) -> Walk:
    """Both accounts with apps, sessions and directories; umbra's have names that stand nowhere else."""
    umbra, made = two.umbra, [furnished(two.acme), furnished(two.umbra)]
    directory = scim_token.rotate(umbra.services, umbra.account_id, origin=CLI, actor_id=umbra.admin_id).token
    settled(two)
    own, ids = (called(two, account, *things) for account, things in zip((two.acme, umbra), made, strict=True))
    unsent = {"Umbra Holdings", "Nightjar", "Quillan", "Vesper", "Obsidian", "Halcyon", "umbra-unsent", "umbra.grants", "quillan@umbra"}
    sent = " ".join(ids.values()).replace("-", "")
    unsent |= {stream for stream in streams_of(two, umbra) if stream.replace("-", "") not in sent}
    words = unsent | {value for name, value in ids.items() if len(value) > 11 and name not in TYPED}
    return Walk(two, own, ids, words, unsent, directory)


def routes(two: TwoAccounts) -> list[tuple[Rule, str]]:
    """Every rule with each of its methods."""
    rules = two.acme.http.application.url_map.iter_rules()
    return [(rule, method) for rule in rules for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]


def path_of(ids: dict[str, str], rule: Rule) -> str:
    """The rule's path with these ids in it."""
    values: dict[str, Any] = dict.fromkeys(NEITHER, "x") | {
        "use": "token",
        "kind": "csv",
        "part": "leaf",
        "size": 1,
        "question": "ending",
        "path": "api/ai/v1/mcp",
        "filename": "grantbook.css",
        "rest": f"Users/{ids['member_id']}",
    }
    unknown = rule.arguments - NEITHER - ids.keys()
    assert not unknown, f"{rule.rule}: say in `called` what {unknown} is of another account"
    values |= {name: int(ids[name]) if f"<int:{name}>" in rule.rule else ids[name] for name in rule.arguments - NEITHER | {"permission"}}
    path = rule.rule
    for name in rule.arguments:
        path = re.sub(rf"<(?:[a-z]+(?:\([^)]*\))?:)?{name}>", quote(str(values[name]), safe="/"), path)
    return path


def form(walk: Walk) -> dict[str, str]:
    """A form with umbra's things in every field that any of ours has."""
    return {**walk.ids, "decision": "approve", "scope": "account:read", "project_access": "selected", "reason": "because", "name": "N", "next": "/"}


def bodies(walk: Walk, rule: Rule, method: str) -> list[dict[str, Any]]:
    """How a route is asked: with everything of umbra's in the query, in a form, or in the JSON that the API's description gives as an example."""
    if rule.rule.startswith("/api/v1/"):
        spec = walk.two.acme.http.get("/api/v1/openapi.json").get_json()
        described = spec["paths"].get(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), {})
        operation = described.get(method.lower(), {})
        content: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
        example = content["application/json"]["example"] if content else None
        queries = [p for p in operation.get("parameters", []) if p.get("in") == "query"]
        needed = {p["name"]: walk.ids.get(p["name"]) or p["schema"]["enum"][-1] for p in queries if p.get("required")}
        asks: list[dict[str, Any]] = [{"query_string": {**needed, p["name"]: walk.ids[p["name"]]}} for p in queries if p["name"] in walk.ids]
        return [{"query_string": needed} | ({} if example is None else {"json": replaced(walk, example)}), *asks]
    if rule.rule.startswith("/scim/"):
        user = {"schemas": [], "userName": walk.ids["email"], "externalId": walk.ids["member_id"], "emails": [{"value": walk.ids["email"]}]}
        words = [f'{name} eq "{walk.ids[key]}"' for name, key in (("userName", "email"), ("id", "member_id"), ("externalId", "member_id"))]
        return [{"json": user}] if method != "GET" else [{"query_string": {"filter": text}} for text in words]
    return [{"data": form(walk)}] if method == "POST" else [{}, {"query_string": urlencode(form(walk))}]


def replaced(walk: Walk, example: Any) -> Any:
    """The example with umbra's things in the place of its own."""
    if isinstance(example, dict):
        return {k: _in_place(walk, k, v) if k in walk.ids else replaced(walk, v) for k, v in example.items()}
    return [replaced(walk, each) for each in example] if isinstance(example, list) else example


def _in_place(walk: Walk, name: str, value: Any) -> Any:
    return [walk.ids[name]] if isinstance(value, list) else walk.ids[name] if isinstance(value, str) else value


def recorded(two: TwoAccounts) -> tuple[int, ...]:
    """How much stands of umbra, in the record and beside it."""
    tables = ("events", "logins", "credentials", "browser_sessions", "authorization_requests", "signing_keys", "accounts")
    with psycopg.connect(two.database.web_dsn) as conn:
        counts = [conn.execute(f"SELECT count(*) FROM {t} WHERE account_id = %s".encode(), [two.umbra.account_id]).fetchone() for t in tables]
    return tuple(row[0] for row in counts if row is not None)


def test_nothing_of_the_other_account_is_reached_from_ones_own_host(walk: Walk) -> None:
    two, before, walk.faults = walk.two, recorded(walk.two), []
    for rule, method in routes(two):
        if rule.endpoint in ENDS_THE_SESSION:
            continue
        path, names_one = path_of(walk.ids, rule), bool(rule.arguments - NEITHER)
        for how in bodies(walk, rule, method):
            said, what = walk.asked(two.acme, method, path, **how), f"acme: {method} {path} {sorted(how)}"
            if said.status_code == 303 and method == "GET":  # a form's page leads to the page that the form stands on
                walk.judge(said, {303}, what, sent=path + repr(how))
                said = walk.asked(two.acme, "GET", said.headers["Location"])
            statuses = {401, 403, 404} if names_one else set(range(200, 500))
            walk.judge(said, statuses, what, sent=path + repr(how))
    assert walk.faults == []
    assert recorded(two) == before
    still_there(walk)


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_about_the_others_things_is_answered_with_a_name_of_theirs(walk: Walk, question: str) -> None:
    walk.faults, given = [], {**walk.ids, "scope": "account:read"}
    asked = {name: given[name] for name in QUESTIONS[question].parameters if name in given and name not in ("client", "project")}
    for query in (asked, {name: value for name, value in asked.items() if name != "event"}):
        said = walk.asked(walk.two.acme, "GET", f"/api/v1/questions/{question}", query_string=query)
        walk.judge(said, {200, 422}, f"{question} {sorted(query)}", sent=repr(query))
    assert walk.faults == []


def still_there(walk: Walk) -> None:
    """Acme's admin was somebody all along, and nothing of umbra's has ended."""
    umbra = walk.two.umbra
    for path, word in (("/settings/sessions", "Active sessions"), ("/settings/integrations", "Daybook"), ("/api/v1/integrations", "Daybook")):
        listed = walk.asked(walk.two.acme, "GET", path)
        assert listed.status_code == 200, (path, listed.text)
        assert word in listed.text
    assert umbra.introspect(walk.ids["token"], umbra.mcp)["active"]
    headers = {"Authorization": f"Bearer {walk.umbra_scim}"}
    assert "vesper@umbra.example" in umbra.http.get("/scim/v2/Users", headers=headers).text
    assert "Nightjar" in umbra.signed_in(umbra.admin_id).get("/settings/integrations").text
    assert umbra.http.get(f"/sign-in?next=/consent?request={walk.ids['request']}").text.count("Nightjar Waiting")


def test_whoever_is_somebody_in_one_account_is_nobody_at_the_others_host(walk: Walk) -> None:
    two, before, walk.faults = walk.two, recorded(walk.two), []
    published = {key["kid"] for key in two.umbra.http.get("/.well-known/jwks.json").get_json()["keys"]}
    words = walk.words - {"Umbra Holdings", "umbra.grants", "umbra-unsent"} - published
    for rule, method in routes(two):
        path = path_of(walk.ids, rule)
        for how in bodies(walk, rule, method) if rule.endpoint not in PUBLIC else [{}]:
            said = walk.asked(two.umbra, method, path, **how)
            what = f"umbra: {method} {path}"
            statuses = {401, 403, 404, 303} if rule.endpoint not in PUBLIC else set(range(200, 500))
            walk.judge(said, statuses, what, sent=path + repr(how), words=words)
            if said.status_code == 303 and rule.endpoint not in PUBLIC and not said.headers["Location"].startswith("/sign-in"):
                walk.faults.append(f"{what}: {said.headers['Location']}")
    assert walk.faults == []
    assert recorded(two) == before


def test_ones_own_pages_and_answers_hold_nothing_of_the_other(walk: Walk) -> None:
    """Also where both have the same app, which is one fingerprint."""
    two, walk.faults, read = walk.two, [], 0
    rules, shared = [rule for rule, method in routes(two) if method == "GET" and rule.endpoint not in PUBLIC], shared_with(walk)
    paths = {path_of(walk.own | things, rule) for rule in rules for things in ({}, shared)}
    for path in sorted(paths):
        said = walk.asked(two.acme, "GET", path)
        read += said.status_code == 200
        walk.judge(said, set(range(200, 500)), f"acme's own: {path}", words=walk.unsent)
    assert walk.faults == []
    assert read > 50


def shared_with(walk: Walk) -> dict[str, str]:
    """Acme's registration of the app that umbra has, too."""
    listed = walk.asked(walk.two.acme, "GET", "/api/v1/integrations").get_json()["data"]
    client_id = next(app["client_id"] for app in listed if app["name"] == "Shared Tool")
    return {"page_id": client_id, "client_ref": client_id}


def test_the_others_secrets_open_nothing(walk: Walk) -> None:
    two = walk.two
    umbra_secrets = [walk.ids["token"], walk.ids["refresh_token"], walk.umbra_scim, two.umbra.credentials["sent"][1]]
    for secret in umbra_secrets:
        for path in ("/api/v1/account", "/api/v1/me", "/api/v1/audit/entries"):
            assert two.acme.http.get(path, headers={"Authorization": f"Bearer {secret}"}).status_code == 401
    for bearer in (walk.umbra_scim, walk.ids["token"]):
        assert two.acme.http.get("/scim/v2/Users", headers={"Authorization": f"Bearer {bearer}"}).status_code == 401
    pair = base64.b64encode(":".join(two.umbra.credentials["sent"]).encode()).decode()
    report = two.acme.http.post("/api/v1/audit/actions", json={}, headers={"Authorization": f"Basic {pair}"})
    assert report.status_code == 401


def test_a_position_of_the_other_account_tells_nothing(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    from web.api import positions

    monkeypatch.setattr(positions, "PATIENCE", 0.05)
    walk.be_somebody()
    headers = {"Authorization": f"Bearer {walk.acme_token}"}

    def read(stream: str, version: int) -> TestResponse:
        raw = base64.urlsafe_b64encode(UUID(stream).bytes + version.to_bytes(8, "big")).decode()
        return walk.two.acme.http.get(f"/api/v1/projects?min_position=ev_{raw}", headers=headers)

    assert read(walk.two.acme.account_id, 1).status_code == 200
    there, nowhere = read(walk.two.umbra.account_id, 1), read(str(UUID(int=7)), 1)
    assert there.status_code == nowhere.status_code == 503
    assert {k: v for k, v in there.get_json().items() if k != "request_id"} == {k: v for k, v in nowhere.get_json().items() if k != "request_id"}


def test_lists_and_exports_hold_the_accounts_own(walk: Walk) -> None:
    """The other way round, so that the search for umbra's words is known to find them."""
    umbra = walk.two.umbra
    browser = umbra.signed_in(umbra.admin_id)
    for path, word in (("/settings/audit", "Nightjar"), ("/settings/sessions", "Vesper"), ("/settings/audit/export.csv", "Obsidian"),
                       ("/settings/audit/export.jsonl", walk.ids["grant_id"])):  # fmt: skip
        page = browser.get(path).text
        assert word in page, path
        assert "Daybook" not in page
        assert "acme" not in page
