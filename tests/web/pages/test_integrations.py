from __future__ import annotations

import re

import pytest

from application import manage_policies
from tests.support.http_flow import App, Person, hidden
from tests.web.pages.conftest import ORIGIN, Site, connected, post, settled, signed_in, text_of


@pytest.fixture(scope="module")
def admin(site: Site) -> Person:
    return signed_in(site, "admin")


@pytest.fixture(scope="module")
def operator(site: Site) -> Person:
    return signed_in(site, "operator")


def page_of(site: Site, admin: Person, app: App) -> str:
    """The path of an app's page, reached by its client id."""
    settled(site)
    page = admin.http.get(f"/settings/integrations/{app.client_id}")
    assert page.status_code == 200, page.text
    return f"/settings/integrations/{app.client_id}"


def test_the_empty_page_gives_the_endpoints_first(fresh_site: Site) -> None:
    site, admin = fresh_site, signed_in(fresh_site, "admin")
    words = text_of(admin.http.get("/settings/integrations"))
    assert "No app has connected yet." in words
    assert words.index("Endpoints") < words.index("Dynamically registered")
    assert site.app.services.mcp_url in admin.http.get("/settings/access-urls").text


def test_the_two_tables_have_the_columns_of_the_product(fresh_site: Site) -> None:
    site, admin, operator = fresh_site, signed_in(fresh_site, "admin"), signed_in(fresh_site, "operator")
    connected(site, operator, "Claude Code")
    connected(site, operator, "Claude Code", "http://localhost:9999/callback")
    settled(site)
    page = admin.http.get("/settings/integrations")
    words = text_of(page)
    for column in ("Redirect URL", "Last 30 days", "Status"):
        assert f">{column}</th>" in page.text
    for column in ("Name", "Users", "Created on", "Last used on"):
        assert f">{column}</a></th>" in page.text
    assert 'role="img" aria-label="Requests per day, last 30 days: 2 in all' in page.text
    assert "2 registrations, one app" in words
    assert "any port" in words
    assert "localhost:3118" not in words
    assert page.text.count('class="plain name"') == 1


def test_an_app_s_page_is_found_by_client_id_and_by_stream_id(site: Site, admin: Person, operator: Person) -> None:
    app, _ = connected(site, operator, "Cursor", "cursor://anysphere.cursor-mcp/oauth/callback")
    path = page_of(site, admin, app)
    words = text_of(admin.http.get(path))
    assert "Otto Olsen allowed 5 of 5 permissions in all projects, keep alive on." in words
    assert "Otto Olsen" in words
    assert app.client_id in words
    listed = admin.http.get("/settings/integrations").text
    by_stream = next(
        part.split('"')[0] for part in listed.split('href="')[1:] if part.startswith("/settings/integrations/") and "Cursor" in part[:200]
    )
    assert app.client_id in admin.http.get(by_stream).text


def test_blocking_ends_sessions_keeps_the_reason_and_is_felt_at_once(site: Site, admin: Person, operator: Person) -> None:
    app, tokens = connected(site, operator, "Invoice Helper", "https://invoice.example/cb")
    path = page_of(site, admin, app)
    question = admin.http.get(f"{path}/block")
    assert "Block Invoice Helper?" in question.text
    assert "Block and end 1 session" in question.text
    answer = admin.http.post(f"{path}/block", data={**hidden(question.text), "reason": " Unknown \n publisher "})
    assert answer.status_code == 303
    assert app.refresh(tokens["refresh_token"]).status_code == 401
    words = text_of(admin.http.get(answer.headers["location"]))
    assert "Blocked Invoice Helper. 1 session ended. Event" in words
    assert "Unknown publisher" in words
    assert "Blocked by Priya Raman on" in words
    assert "Blocked Invoice Helper. 1 session ended." not in text_of(admin.http.get(answer.headers["location"]))


def test_unblocking_lets_it_ask_again_but_revives_nothing(site: Site, admin: Person, operator: Person) -> None:
    app, tokens = connected(site, operator, "Forgiven", "https://forgiven.example/cb")
    path = page_of(site, admin, app)
    post(admin, f"{path}/block")
    answer = post(admin, f"{path}/unblock")
    assert "Unblocked Forgiven. People have to consent again." in text_of(admin.http.get(answer.headers["location"]))
    assert app.refresh(tokens["refresh_token"]).json()["error"] in ("invalid_client", "invalid_grant")
    assert app.session(operator)["access_token"]


def test_blocking_twice_says_that_nothing_was_changed(site: Site, admin: Person, operator: Person) -> None:
    app, _ = connected(site, operator, "Twice", "https://twice.example/cb")
    path = page_of(site, admin, app)
    post(admin, f"{path}/block")
    answer = post(admin, f"{path}/block")
    assert "Twice was blocked before. Nothing was changed." in text_of(admin.http.get(answer.headers["location"]))


def test_removing_takes_every_registration_and_keeps_the_page(site: Site, admin: Person, operator: Person) -> None:
    app, tokens = connected(site, operator, "Gone", "http://localhost:1/gone")
    again, more = connected(site, operator, "Gone", "http://localhost:2/gone")
    path = page_of(site, admin, app)
    answer = post(admin, f"{path}/remove", reason="Not needed")
    settled(site)
    for one, refresh in ((app, tokens), (again, more)):
        refused = one.refresh(refresh["refresh_token"])
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    page = admin.http.get(answer.headers["location"])
    assert "Removed by Priya Raman on" in text_of(page)
    assert 'popovertarget="block"' not in page.text
    assert "Gone" not in text_of(admin.http.get("/settings/integrations"))


def test_a_pending_app_is_announced_and_approved(site: Site, admin: Person, operator: Person) -> None:
    manage_policies.change_policy(site.app.services, site.account_id, {"registration": "approval"}, origin=ORIGIN)
    try:
        app = App(site.base_url, "ChatGPT", redirect_uri="https://chatgpt.com/connector/oauth/x")
        app.register()
        path = page_of(site, admin, app)
        words = text_of(admin.http.get("/settings/integrations"))
        assert "1 app waits for approval. ChatGPT" in words
        assert "Pending approval" in words
        assert "Approval required" in words
        detail = admin.http.get(path).text
        assert 'popovertarget="approve"' in detail
        assert 'popovertarget="deny"' in detail
        answer = post(admin, f"{path}/approve", reason="Marketing needs it")
        assert "Approved ChatGPT." in text_of(admin.http.get(answer.headers["location"]))
        assert app.session(operator)["access_token"]
    finally:
        manage_policies.change_policy(site.app.services, site.account_id, {"registration": "open"}, origin=ORIGIN)


def test_denying_a_pending_app_blocks_it(site: Site, admin: Person) -> None:
    manage_policies.change_policy(site.app.services, site.account_id, {"registration": "approval"}, origin=ORIGIN)
    try:
        app = App(site.base_url, "Unwanted", redirect_uri="https://unwanted.example/x")
        app.register()
        post(admin, f"{page_of(site, admin, app)}/deny")
        settled(site)
        assert "Blocked" in text_of(admin.http.get(f"/settings/integrations/{app.client_id}"))
    finally:
        manage_policies.change_policy(site.app.services, site.account_id, {"registration": "open"}, origin=ORIGIN)


def test_adding_one_by_hand_shows_its_client_id_and_that_no_secret_exists(site: Site, admin: Person, operator: Person) -> None:
    answer = post(
        admin, "/settings/integrations/new", name="Northwind Sync", redirect_uris="https://sync.northwind.example/cb\n\n https://two.example/cb ",
        scope=["projects:query", "catalog:read"], homepage="https://northwind.example", reason=" Weekly \n numbers ",
    )  # fmt: skip
    assert answer.status_code == 303
    words = text_of(admin.http.get(answer.headers["location"]))
    assert "Added Northwind Sync. No secret is issued. Use PKCE (S256). Event" in words
    assert "Added by an admin" in words
    assert "Why it is needed Weekly numbers" in words
    client_id = answer.headers["location"].rsplit("/", 1)[1]
    assert client_id.startswith("app_")
    app = App(site.base_url, "Northwind Sync", redirect_uri="https://sync.northwind.example/cb", client_id=client_id)
    assert set(app.session(operator)["scope"].split()) == {"projects:query", "catalog:read"}
    assert "Northwind Sync Added by Priya Raman" in text_of(admin.http.get("/settings/integrations"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "An app needs a name."),
        ({"redirect_uris": "javascript:alert(1)"}, "javascript"),
        ({"redirect_uris": ""}, "redirect"),
        ({"scope": []}, "Choose scopes of the catalogue"),
        ({"scope": ["nothing:real"]}, "nothing:real"),
        ({"homepage": "not a url"}, "client_uri"),
        ({"name": "x" * 500}, "client_name"),
    ],
)
def test_what_is_wrong_with_a_new_one_is_said_and_the_rest_is_kept(site: Site, admin: Person, fields: dict[str, object], words: str) -> None:
    typed = {"name": "Typed name", "redirect_uris": "https://typed.example/cb", "scope": ["catalog:read"], **fields}
    answer = post(admin, "/settings/integrations/new", **typed)
    assert answer.status_code == 400
    assert words in text_of(answer)
    assert "The integration is not added yet." in answer.text
    assert "Typed name" in answer.text or "name" in fields
    assert "https://typed.example/cb" in answer.text or "redirect_uris" in fields


def test_a_deed_of_an_hour_old_sign_in_asks_for_the_password_again(site: Site, admin: Person, operator: Person) -> None:
    from datetime import timedelta

    from web.pages import session

    app, tokens = connected(site, operator, "Fresh", "https://fresh.example/cb")
    path = page_of(site, admin, app)
    form = hidden(admin.http.get(f"{path}/block").text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "FRESH", timedelta(0))
        answer = admin.http.post(f"{path}/block", data=form)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/sign-in?next=%2Fsettings%2Fintegrations%2F")
        assert "Sign in again to go on." in admin.http.get(answer.headers["location"]).text
    assert app.refresh(tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize("page_id", ["none", "app_" + "0" * 32, "00000000-0000-0000-0000-000000000000", "x" * 400, "%00", "%ff"])
def test_an_app_that_is_not_there_is_a_page_that_says_so(site: Site, admin: Person, page_id: str) -> None:
    for path in (f"/settings/integrations/{page_id}", f"/settings/integrations/{page_id}/block"):
        assert admin.http.get(path).status_code in (400, 404)


def test_verifying_takes_the_warning_away(site: Site, admin: Person, operator: Person) -> None:
    app, _ = connected(site, operator, "Known", "https://known.example/cb")
    path = page_of(site, admin, app)
    assert "Mark as verified" in admin.http.get(path).text
    answer = post(admin, f"{path}/verify")
    page = admin.http.get(answer.headers["location"])
    assert "Verified Known. Event" in text_of(page)
    assert 'popovertarget="verify"' not in page.text


def test_an_old_form_keeps_what_was_typed(site: Site, admin: Person) -> None:
    typed = {"csrf_token": "old", "name": "Typed name", "redirect_uris": "https://typed.example/cb"}
    answer = admin.http.post("/settings/integrations/new", data=typed)
    assert answer.status_code == 400
    assert "This page is out of date, nothing was changed." in answer.text
    assert "Typed name" in answer.text


def test_apps_are_searched_sorted_and_filtered_in_the_url(fresh_site: Site) -> None:
    site, admin, operator = fresh_site, signed_in(fresh_site, "admin"), signed_in(fresh_site, "operator")
    app, _ = connected(site, operator, "Zeta", "https://zeta.example/cb")
    connected(site, operator, "Alpha", "https://alpha.example/cb")
    post(admin, f"{page_of(site, admin, app)}/block")
    settled(site)

    def names(query: str) -> list[str]:
        page = admin.http.get(f"/settings/integrations?{query}")
        assert page.status_code == 200, page.text
        return re.findall(r'class="plain name" href="[^"]*"><bdi>([^<]*)</bdi>', page.text)

    assert names("q=ZETA.exam") == names("status=blocked") == names(f"q={app.client_id}") == ["Zeta"]
    assert names("sort=name") == ["Alpha", "Zeta"]
    assert names("sort=created") == ["Alpha", "Zeta"]
    assert names("status=active&q=alp") == ["Alpha"]
    assert names("scope=jobs:run&status=active") == ["Alpha"]
    assert names("scope=account:manage") == []
    assert names("scope=nothing&status=active") == ["Alpha"]
    assert names("sort=nothing&status=nothing&page=99&manual=-1") == ["Alpha", "Zeta"]
    none = admin.http.get("/settings/integrations", params={"q": '"><script>x'})
    assert "No apps match." in text_of(none)
    assert "<script>x" not in none.text
    assert 'value="&#34;&gt;&lt;script&gt;x"' in none.text


def test_more_apps_than_a_page_holds_are_turned_by_page(fresh_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from web.pages import integration_lists

    site, admin = fresh_site, signed_in(fresh_site, "admin")
    monkeypatch.setattr(integration_lists, "PAGE", 2)
    for name in ("One", "Two", "Three"):
        App(site.base_url, name, redirect_uri="https://many.example/cb").register()
    settled(site)
    first = admin.http.get("/settings/integrations?sort=name")
    assert "1 to 2 of 3 apps" in text_of(first)
    following = re.search(r'href="([^"]*)">Next</a>', first.text)
    assert following
    second = admin.http.get(following.group(1).replace("&amp;", "&"))
    assert "3 to 3 of 3 apps" in text_of(second)
    assert "Two" in text_of(second)
    assert ">Previous</a>" in second.text


def test_an_app_s_page_tells_its_numbers_everything_it_registered_and_its_registrations(site: Site, admin: Person, operator: Person) -> None:
    app = App(site.base_url, "Telling", redirect_uri="http://localhost:5000/telling")
    app.register(software_id="telling-cli", tos_uri="https://telling.example/terms", x_odd={"a": [1]}, client_uri="https://telling.example")
    tokens = app.session(operator)
    app.refresh(tokens["refresh_token"])
    again = App(site.base_url, "Telling", redirect_uri="http://localhost:6000/telling")
    again.register(software_id="telling-cli")
    path = page_of(site, admin, app)
    page = admin.http.get(path)
    words = text_of(page)
    assert "People 1 Active sessions 1" in words
    assert "Refreshes, 7 days 1" in words
    assert "Reuse detected, 30 days 0" in words
    assert "Software ID telling-cli" in words
    assert "Terms https://telling.example/terms" in words
    assert "Granted, of 1 person" in words
    assert "projects:develop Unused 1 0" in words
    assert "registered itself with http://localhost:5000/telling." in words
    assert "connected: the code was exchanged" not in words
    listed = admin.http.get(f"{path}/registrations")
    assert app.client_id in listed.text
    assert again.client_id in listed.text
    assert "2 registrations of 2, newest first" in text_of(listed)
    assert admin.http.get(f"{path}/registrations?before=x").status_code == 200
    assert admin.http.get(f"{path}?people=1").status_code == admin.http.get(f"{path}?people=zzz").status_code == 200


def test_a_removed_app_s_page_is_read_only(site: Site, admin: Person, operator: Person) -> None:
    app, _ = connected(site, operator, "Former", "https://former.example/cb")
    path = page_of(site, admin, app)
    post(admin, f"{path}/remove")
    settled(site)
    page = admin.http.get(path)
    assert "Removed by Priya Raman on" in text_of(page)
    assert page.text.count('method="post"') == 1  # signing out
    assert "Former" in text_of(admin.http.get("/settings/integrations?status=removed"))
