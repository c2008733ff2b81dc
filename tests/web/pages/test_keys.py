from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from application import rotate_keys
from application.services import Services
from domain.policies import SessionPolicy
from tests.support.http_flow import Person
from tests.web.pages.conftest import ORIGIN, Site, post, settled, signed_in, text_of

PAGE = "/settings/keys"


@pytest.fixture(scope="module")
def admin(site: Site) -> Person:
    return signed_in(site, "admin")


def kids(site: Site) -> set[str]:
    return {key["kid"] for key in site.app.services.store.tables().signing_keys(site.account_id)}


@pytest.mark.parametrize("use", ["token", "assertion"])
def test_a_new_key_is_published_and_said_when_it_signs(site: Site, admin: Person, use: str) -> None:
    before = kids(site)
    asked = admin.http.get(f"{PAGE}/{use}/rotate")
    assert "Nobody is signed out, and no session ends." in text_of(asked)
    answer = post(admin, f"{PAGE}/{use}/rotate")
    assert answer.status_code == 303
    (made,) = kids(site) - before
    page = text_of(admin.http.get(PAGE))
    assert "Published a new key. It signs in 1 minute. Event" in page
    assert re.search(rf"{made} ES256 Published .* Published; signs as soon as every worker has read it, in \d+ s", page)
    settled(site)
    assert f"Priya Raman published key {made}." in text_of(admin.http.get(PAGE))


def test_nothing_private_stands_on_the_page(site: Site, admin: Person) -> None:
    page = admin.http.get(PAGE).text
    for key in site.app.services.store.tables().signing_keys(site.account_id):
        assert key["kid"] in page
        for private in (bytes(key["private_wrapped"]).hex(), "private_wrapped", '"d"'):
            assert private not in page
    assert f'value="{site.base_url}/.well-known/jwks.json"' in page


def test_a_viewer_sees_them_without_buttons_and_another_use_is_no_page(site: Site, admin: Person) -> None:
    viewer = signed_in(site, "viewer")
    page = viewer.http.get(PAGE).text
    assert "Gateway assertions" in page
    assert page.count("<form") == 1
    assert viewer.http.get(f"{PAGE}/token/rotate").status_code == 403
    assert admin.http.get(f"{PAGE}/nothing/rotate").status_code == 404


def test_a_key_goes_through_its_stages(fresh_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site, policy = fresh_site, SessionPolicy()
    services: Services = site.app.services
    first = kids(site)
    made = rotate_keys.rotate(services, site.account_id, "token", origin=ORIGIN)
    started, ahead = services.clock(), timedelta()
    object.__setattr__(services, "clock", lambda: started + ahead)

    def stages() -> dict[str, Any]:
        return {key.kid: key.stage for key in rotate_keys.key_states(services, site.account_id, policy) if key.use == "token"}

    (old,) = stages().keys() & first
    assert stages() == {made.kid: "waiting", old: "signing"}
    ahead = timedelta(minutes=2)
    assert stages() == {made.kid: "signing", old: "checking"}
    (waits,) = [key.next_at for key in rotate_keys.key_states(services, site.account_id, policy) if key.kid == old]
    assert waits == made.activate_at + timedelta(days=1, minutes=5)
    ahead = timedelta(days=2)
    rotate_keys.advance(services, site.account_id, policy, ORIGIN)
    assert stages() == {made.kid: "signing", old: "retired"}
    settled(site)
    admin = signed_in(site, "admin")
    for path in (PAGE, "/settings/audit?type=signing_key.rotated"):
        page = text_of(admin.http.get(path)).lower()
        for told in (f"key {made.kid} published", f"key {made.kid} put into use", f"key {old} retired"):
            assert told in page, (path, told)
