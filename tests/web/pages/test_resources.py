from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import httpx
import pytest

from application import manage_resources
from domain.account import Account, Resource
from tests.support.http_flow import Person, hidden
from tests.web.pages.conftest import ORIGIN, Site, connected, in_form_cookie, post, settled, signed_in, text_of

PAGE = "/settings/resources"
OPERATIONS = '{"tools": {"query": {"scope": "projects:query", "project_argument": "project"}, "run": "jobs:run"}}'


@pytest.fixture(scope="module")
def admin(site: Site) -> Person:
    return signed_in(site, "admin")


def account(site: Site) -> Account:
    found = site.app.services.store.load(Account, UUID(site.account_id))
    assert found is not None
    return found


def added(site: Site, identifier: str, scopes: str = "projects:query jobs:run") -> Resource:
    made = manage_resources.add(site.app.services, site.account_id, identifier=identifier, scopes=scopes.split(), origin=ORIGIN)
    return account(site).resource(made.resource_id)


def ask(site: Site, resource_id: str, secret: str) -> int:
    return httpx.post(f"{site.base_url}/oauth/introspect", auth=(resource_id, secret), data={"token": "x"}, timeout=20).status_code


def secret_on(page: httpx.Response) -> str:
    found = re.search(r'id="secret" readonly value="([\w-]{43})"', page.text)
    assert found is not None, text_of(page)
    return found[1]


def test_one_is_added_and_its_secret_is_shown_once(site: Site, admin: Person) -> None:
    answer = post(
        admin, f"{PAGE}/new", identifier="https://API.added.example/", scope=["projects:query", "jobs:run"], upstream=" http://127.0.0.1:9/mcp ",
        operations=OPERATIONS,
    )  # fmt: skip
    assert answer.status_code == 200
    words = text_of(answer)
    assert "Added https://api.added.example. Its introspection secret is shown once, below. Event" in words
    assert "query Tool projects:query project" in words
    resource, secret = account(site).resource("https://api.added.example"), secret_on(answer)
    assert ask(site, resource.resource_id, secret) == 200
    assert secret not in in_form_cookie(admin)
    assert answer.headers["cache-control"] == "no-store"
    again = admin.http.get(f"{PAGE}/{resource.resource_id}")
    assert secret not in again.text
    assert "This secret is shown once" not in again.text
    settled(site)
    assert "Priya Raman registered https://api.added.example" in text_of(admin.http.get(PAGE))


def test_a_new_secret_replaces_the_old_one_at_once(site: Site, admin: Person) -> None:
    made = manage_resources.add(site.app.services, site.account_id, identifier="https://rotated.example", scopes=["jobs:run"], origin=ORIGIN)
    path = f"{PAGE}/{made.resource_id}"
    assert ask(site, made.resource_id, made.secret) == 200
    asked = admin.http.get(f"{path}/rotate")
    assert "is refused from the next request on" in text_of(asked)
    answer = admin.http.post(f"{path}/rotate", data=hidden(asked.text))
    secret = secret_on(answer)
    assert secret not in in_form_cookie(admin)
    assert secret not in admin.http.get(path).text
    again = admin.http.post(f"{path}/rotate", data=hidden(asked.text))
    assert again.status_code == 400, "a page that is loaded again makes no other secret"
    assert "This page is out of date, nothing was changed." in text_of(again)
    assert ask(site, made.resource_id, made.secret) == 401
    assert ask(site, made.resource_id, secret) == 200


def test_removing_says_what_ends_and_ends_it(site: Site, admin: Person) -> None:
    operator = signed_in(site, "operator")
    resource = added(site, "https://removed.example")
    app, _ = connected(site, operator, "Of Removed", "https://of.removed.example/cb")
    url, verifier = app.authorize_url(resource=resource.identifier)
    tokens = app.exchange(operator.decide(url)["code"], verifier, resource=resource.identifier).json()
    settled(site)
    question = admin.http.get(f"{PAGE}/{resource.resource_id}/remove")
    assert "1 session for it ends now, for 1 person." in text_of(question)
    assert "Remove and end 1 session" in text_of(question)
    assert "1 session of 1 person" in text_of(admin.http.get(f"{PAGE}/{resource.resource_id}"))
    assert post(admin, f"{PAGE}/{resource.resource_id}/remove").headers["location"] == PAGE
    assert app.refresh(tokens["refresh_token"]).status_code == 400
    assert "Removed https://removed.example." in text_of(admin.http.get(PAGE))
    assert admin.http.get(f"{PAGE}/{resource.resource_id}").status_code == 404


def test_it_is_changed_in_place_from_a_file(site: Site, admin: Person) -> None:
    resource = added(site, "https://changed.example")
    path = f"{PAGE}/{resource.resource_id}/change"
    fields = {**hidden(admin.http.get(path).text), "scope": ["projects:query", "jobs:run"], "upstream": "unix:/run/mcp.sock", "operations": "ignored"}
    answer = admin.http.post(path, data=fields, files={"operations_file": ("map.json", b"\xef\xbb\xbf" + OPERATIONS.encode(), "application/json")})
    assert answer.status_code == 303
    after = account(site).resource(resource.resource_id)
    assert (after.upstream, after.since, after.secret_since) == ("unix:/run/mcp.sock", resource.since, resource.secret_since)
    assert after.operations["tools"]["run"] == "jobs:run"
    shown = admin.http.get(path)
    assert "&#34;run&#34;: &#34;jobs:run&#34;" in shown.text
    assert 'value="unix:/run/mcp.sock"' in shown.text
    kept = re.search(r'<textarea class="mono" id="operations"[^>]*>\n(.*?)</textarea>', shown.text, re.DOTALL)
    assert kept is not None
    again = post(admin, path, scope=["projects:query", "jobs:run"], upstream="", operations=kept[1].replace("&#34;", '"'))
    assert again.status_code == 303
    assert account(site).resource(resource.resource_id).upstream is None
    assert account(site).resource(resource.resource_id).operations == after.operations


def test_permissions_that_sessions_have_are_taken_away_after_a_question(site: Site, admin: Person) -> None:
    operator = signed_in(site, "operator")
    resource = added(site, "https://narrowed.example", "projects:query jobs:run catalog:read")
    app, _ = connected(site, operator, "Of Narrowed", "https://of.narrowed.example/cb")
    url, verifier = app.authorize_url(resource=resource.identifier)
    tokens = app.exchange(operator.decide(url)["code"], verifier, resource=resource.identifier).json()
    settled(site)
    path = f"{PAGE}/{resource.resource_id}/change"
    question = post(admin, path, scope=["projects:query"], operations="", upstream="")
    assert question.status_code == 200
    assert "Take 2 permissions away from this resource?" in text_of(question)
    assert "Save and narrow 1 session" in text_of(question)
    fields = {**hidden(question.text), "scope": ["projects:query"]}
    assert admin.http.post(path, data=fields).status_code == 303
    refreshed = app.refresh(tokens["refresh_token"]).json()
    assert set(refreshed["scope"].split()) <= {"projects:query", "offline_access"}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"identifier": "not a url"}, "identifier", "absolute http or https URL"),
    ({"identifier": ""}, "identifier", "absolute http or https URL"),
    ({"identifier": "https://a.example/#x"}, "identifier", "neither a query nor a fragment"),
    ({"scope": []}, "scopes", "needs scopes of the catalogue"),
    ({"scope": ["nothing:real"]}, "scopes", "nothing:real"),
    ({"upstream": "ftp://x.example"}, "upstream", "An upstream is an absolute"),
    ({"operations": "{"}, "operations", "as JSON (line 1)"),
    ({"operations": "[" * 20_000}, "operations", "as JSON"),
    ({"operations": "[]"}, "operations", "Operations are an object"),
    ({"operations": '{"tools": {"a": NaN}}'}, "operations", "as JSON"),
    ({"operations": '{"tools": {"a": "jobs:run"}}'}, "operations", "needs a scope of the resource"),
    ({"operations": '{"tool": {}}'}, "operations", "tools, prompts, resources"),
]


@pytest.mark.parametrize(("changes", "field", "words"), WRONG)
def test_what_can_not_be_is_said_at_its_field_and_the_rest_is_kept(
    site: Site, admin: Person, changes: dict[str, Any], field: str, words: str
) -> None:
    typed = {"identifier": "https://typed.example", "scope": ["catalog:read"], "upstream": "", "operations": "", **changes}
    answer = post(admin, f"{PAGE}/new", **typed)
    assert answer.status_code == 400
    assert words in text_of(answer)
    assert f'href="#{field}"' in answer.text
    assert f'id="{field}-error"' in answer.text
    assert "https://typed.example" in answer.text or "identifier" in changes
    assert "https://typed.example" not in account(site).resources


def test_a_file_that_is_no_text_is_refused(admin: Person) -> None:
    fields = {**hidden(admin.http.get(f"{PAGE}/new").text), "identifier": "https://binary.example", "scope": ["jobs:run"]}
    for content in (b"\xff\xfe\x00", b'{"tools": {"a\x00b": "jobs:run"}}'):
        answer = admin.http.post(f"{PAGE}/new", data=fields, files={"operations_file": ("x", content, "application/octet-stream")})
        assert answer.status_code == 400
        assert "The file is no text in UTF-8." in text_of(answer)


def test_one_that_is_there_says_what_to_do_instead(site: Site, admin: Person) -> None:
    answer = post(admin, f"{PAGE}/new", identifier=site.app.services.mcp_url, scope=["catalog:read"])
    assert answer.status_code == 400
    assert "is registered already: change it instead, which ends no session." in text_of(answer)


def test_the_own_endpoints_are_named_and_the_one_without_a_server_says_so(site: Site, admin: Person) -> None:
    words = text_of(admin.http.get(PAGE))
    assert "This server's MCP endpoint" in words
    assert "This server's own API" in words
    own = account(site).resource(site.app.services.mcp_url)
    assert "No MCP server is behind it yet." in text_of(admin.http.get(f"{PAGE}/{own.resource_id}"))


def test_an_old_form_keeps_what_was_typed(admin: Person) -> None:
    answer = admin.http.post(f"{PAGE}/new", data={"csrf_token": "old", "identifier": "https://kept.example", "operations": OPERATIONS})
    assert answer.status_code == 400
    assert "This page is out of date, nothing was changed." in text_of(answer)
    assert "https://kept.example" in answer.text


def test_a_viewer_reads_without_buttons(site: Site) -> None:
    viewer, resource = signed_in(site, "viewer"), added(site, "https://viewed.example")
    for path in (PAGE, f"{PAGE}/{resource.resource_id}"):
        page = viewer.http.get(path).text
        assert "https://" in page
        assert page.count("<form") == 1
        assert "Add a resource" not in page
    assert viewer.http.get(f"{PAGE}/{resource.resource_id}/change").status_code == 403
