from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import pytest

from application import manage_policies, sso_settings
from application.identity_ports import ProviderFailed
from domain.account import Account
from domain.auth_provider import provider_of
from domain.errors import InvalidInput, Refused
from tests.support.http_flow import Person
from tests.web.pages.conftest import ORIGIN, Site, in_form_cookie, settled, signed_in, text_of
from tests.web.sso.conftest import settings_of

SECRET = "the-very-secret-of-the-provider"


@pytest.fixture(scope="module")
def admin(site: Site) -> Person:
    return signed_in(site, "admin")


def token(person: Person) -> str:
    return person.http.get("/settings/sso").text.partition('name="csrf_token" value="')[2].partition('"')[0]


def send(person: Person, path: str, **fields: Any) -> httpx.Response:
    return person.http.post(f"/settings/sso{path}", data={"csrf_token": token(person), **fields})


def save(person: Person, **changes: Any) -> httpx.Response:
    form = {
        "issuer": "https://idp.jaffle.example", "client_id": "grantbook", "client_secret": "", "scopes": "openid email", "default_role": "Analyst",
        "group_roles": "", "groups_claim": "groups", **changes,
    }  # fmt: skip
    return send(person, "", **form)


def account(site: Site) -> Account:
    found = site.app.services.store.load(Account, UUID(site.account_id))
    assert found is not None
    return found


def test_settings_are_saved_shown_and_told_in_the_audit_log(site: Site, admin: Person) -> None:
    save(admin, issuer="https://before.jaffle.example")
    answer = save(admin, client_secret=SECRET, enabled="on", group_roles="data = Developer\na=b = Job Operator\ndata = Member\n")
    assert answer.status_code == 303
    page = admin.http.get("/settings/sso")
    assert "Saved single sign-on." in text_of(page)
    assert 'value="https://idp.jaffle.example"' in page.text
    assert "data = Developer\na=b = Job Operator</textarea>" in page.text
    assert SECRET not in page.text
    settled(site)
    assert "changed single sign-on: issuer" in text_of(admin.http.get("/settings/sso"))
    assert "Sign in with Jaffle Analytics SSO" in Person(site.base_url, "", "").http.get("/sign-in").text


def test_the_secret_stands_nowhere_in_the_clear_and_an_empty_field_keeps_it(site: Site, admin: Person) -> None:
    save(admin, client_secret=SECRET)
    save(admin, client_id="another")
    with site.app.views() as conn:
        sealed = conn.execute("SELECT sealed FROM provider_secrets").fetchone()
        states = " ".join(row[0] for row in conn.execute("SELECT convert_from(state, 'UTF8') FROM events").fetchall())
    assert sealed is not None
    assert SECRET.encode() not in sealed[0]
    assert SECRET not in states
    assert site.app.identity.box.open(bytes(sealed[0]), f"{site.account_id}:sso") == SECRET
    assert site.app.identity.box.open(bytes(sealed[0]), "another-account:sso") is None


def test_another_issuer_never_gets_the_secret_of_the_one_before(site: Site, admin: Person) -> None:
    save(admin, client_secret=SECRET)
    save(admin, issuer="https://elsewhere.example")
    with site.app.views() as conn:
        assert conn.execute("SELECT count(*) FROM provider_secrets").fetchone() == (0,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": "http://idp.jaffle.example"}, "must be reached over https"), ({"issuer": "https://user@idp.example"}, "exactly as the provider"),
        ({"issuer": "https://idp.example/?a=b"}, "exactly as the provider"), ({"issuer": "idp"}, "exactly as the provider"),
        ({"issuer": "", "enabled": "on"}, "exactly as the provider"), ({"client_id": "", "enabled": "on"}, "Give the client ID"),
        ({"group_roles": "data Analyst"}, "Line 1 is not of the form"), ({"group_roles": "\ndata = King"}, "Line 2: there is no role"),
        ({"default_role": "King"}, "There is no role"), ({"enforced": "on"}, "Turn single sign-on on"),
        ({"enforced": "on", "enabled": "on"}, "Choose at least one admin"),
        ({"enforced": "on", "enabled": "on", "break_glass": "x"}, "active Account Admin"),
        ({"client_secret": "a\x01b"}, "printable text"), ({"issuer": "https://[::1"}, "no URL"),
    ],
)  # fmt: skip
def test_what_can_not_be_is_said_at_its_field_and_nothing_is_changed(site: Site, admin: Person, changes: dict[str, str], words: str) -> None:
    before = provider_of(account(site))
    answer = save(admin, **changes)
    assert answer.status_code == 400
    assert words in text_of(answer)
    assert provider_of(account(site)) == before


def test_a_break_glass_admin_needs_the_role_and_a_password(site: Site) -> None:
    services, tools = site.app.services, site.app.identity
    wanted = settings_of("https://idp.jaffle.example", enforced=True, break_glass=(site.people["viewer"],))
    with pytest.raises(InvalidInput, match="active Account Admin"):
        sso_settings.change(services, tools, site.account_id, wanted, origin=ORIGIN, actor_id=site.people["admin"])


def test_a_domain_counts_once_it_is_proven(site: Site, admin: Person) -> None:
    assert send(admin, "/domains/add", domain="@Jäffle.example ").status_code == 303
    page = admin.http.get("/settings/sso")
    name = "xn--jffle-gra.example"
    assert name in page.text
    line = re.search(r"grantbook-domain=[0-9a-f]{40}", page.text)
    assert line is not None
    services, tools, admin_id = site.app.services, site.app.identity, site.people["admin"]

    def prove(published: str) -> None:
        proving = replace(tools, fetch_proof=lambda _: published)
        sso_settings.prove_domain(services, proving, site.account_id, name, origin=ORIGIN, actor_id=admin_id)

    for published in ("", "grantbook-domain=" + "0" * 40, f"x{line[0]}"):
        with pytest.raises(Refused, match="not proven"):
            prove(published)
    prove(f"# ours\n{line[0]}\r\n")
    assert provider_of(account(site)).domains == (name,)
    assert send(admin, "/domains/remove", domain=name).status_code == 303
    assert provider_of(account(site)).domains == ()


def test_a_domain_that_can_not_be_asked_stays_unproven(site: Site, admin: Person) -> None:
    def failing(_: str) -> str:
        raise ProviderFailed("proof_failed", "It did not answer in time.")

    with pytest.raises(Refused, match="did not answer in time"):
        sso_settings.prove_domain(
            site.app.services, replace(site.app.identity, fetch_proof=failing), site.account_id, "jaffle.example",
            origin=ORIGIN, actor_id=site.people["admin"],
        )  # fmt: skip
    assert "That is no domain" in text_of(send(admin, "/domains/add", domain="no domain"))


def test_a_directory_token_is_shown_once(admin: Person) -> None:
    page = admin.http.get("/settings/sso").text
    form = {"csrf_token": token(admin), "replaces": page.partition('name="replaces" value="')[2].partition('"')[0]}
    made = admin.http.post("/settings/sso/scim-token", data=form)
    shown = re.findall(r"scim_[0-9a-f]{24}\.[\w-]{43}", made.text)
    assert len(set(shown)) == 1
    assert "It is shown once, below." in text_of(made)
    assert shown[0] not in in_form_cookie(admin)
    assert admin.http.post("/settings/sso/scim-token", data=form).status_code == 400, "a page that is loaded again makes no other token"
    assert shown[0] not in admin.http.get("/settings/sso").text
    answer = admin.http.get("/scim/v2/Users", headers={"Authorization": f"Bearer {shown[0]}"})
    assert answer.status_code == 200
    assert send(admin, "/scim-token/remove").status_code == 303
    assert admin.http.get("/scim/v2/Users", headers={"Authorization": f"Bearer {shown[0]}"}).status_code == 401


def test_a_person_without_a_link_can_not_be_told_apart_by_a_wrong_address(admin: Person) -> None:
    answer = send(admin, "/unlink", email="nobody@jaffle.example")
    assert answer.status_code == 400
    assert "There is no member" in text_of(answer)


def test_a_viewer_reads_and_changes_nothing(site: Site, admin: Person) -> None:
    save(admin, client_secret=SECRET, group_roles="data = Developer")
    viewer = signed_in(site, "viewer")
    page = viewer.http.get("/settings/sso")
    assert "data = Developer" in text_of(page)
    assert page.text.count("<form") == 1
    assert viewer.http.post("/settings/sso", data={"csrf_token": token(viewer)}).status_code == 403


def test_a_plan_without_it_explains_itself_and_refuses(site: Site, admin: Person) -> None:
    save(admin, client_secret=SECRET, enabled="on")
    manage_policies.change_plan(site.app.services, site.account_id, "starter", origin=ORIGIN)
    try:
        assert "Your plan does not include this." in text_of(admin.http.get("/settings/sso"))
        assert "Enterprise and Enterprise+" in text_of(save(admin, client_id="x"))
        stranger = Person(site.base_url, "", "")
        assert "SSO" not in stranger.http.get("/sign-in").text
        assert "has no single sign-on" in text_of(stranger.http.get("/sso/start"))
    finally:
        manage_policies.change_plan(site.app.services, site.account_id, "enterprise", origin=ORIGIN)
