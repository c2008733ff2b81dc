from __future__ import annotations

from uuid import UUID

import httpx
import pytest

from application import manage_members, sso_members
from application.manage_members import find_member
from domain.member import Member
from projections.audit_log.queries import entries
from tests.web.pages.conftest import ORIGIN, PASSWORD, Site, settled, signed_in, text_of
from tests.web.sso.conftest import Browser, Provider, configure

pytestmark = pytest.mark.node


@pytest.fixture(autouse=True)
def _configured(site: Site, provider: Provider) -> None:
    provider.control(skew=0, id_token_claims=False)
    configure(site, provider.issuer)


def member(site: Site, email: str) -> Member:
    found = site.app.services.store.load(Member, find_member(site.app.services, site.account_id, email))
    assert found is not None
    return found


def failures(site: Site) -> list[str]:
    settled(site)
    with site.app.views() as conn:
        found = entries(conn, site.account_id, event_type="login.sso.failed", limit=50)
    return [str(entry.event_context["reason"]) for entry in found]


def refused(site: Site, response: httpx.Response, status: int, words: str, reason: str | None) -> None:
    assert response.status_code == status, response.text
    assert words in text_of(response)
    assert "gb_session" not in response.headers.get("set-cookie", "")
    if reason:
        assert failures(site)[0] == reason


# ---- who gets in


def test_someone_with_a_verified_address_in_a_proven_domain_is_added_and_signed_in(site: Site, provider: Provider, browser: Browser) -> None:
    provider.person("new-1", email="New.Person@Jaffle.example", name="New Person")
    response = browser.sign_in("/sso/start?next=/connected-apps")
    assert (response.status_code, response.headers["location"]) == (303, "/connected-apps")
    assert "Connected apps" in text_of(browser.http.get("/connected-apps"))
    assert member(site, "new.person@jaffle.example").role == "Analyst"
    settled(site)
    with site.app.views() as conn:
        newest = [entry.event_type for entry in entries(conn, site.account_id, limit=3)]
    assert newest == ["login.sso.succeeded", "user.sso_linked", "user.added"]


def test_the_same_person_is_known_again_by_subject_even_with_another_address(site: Site, provider: Provider, browser: Browser) -> None:
    provider.person("again-1", email="again@jaffle.example", name="Ada Again")
    assert browser.sign_in().status_code == 303
    first = find_member(site.app.services, site.account_id, "again@jaffle.example")
    provider.person("again-1", email="gone@elsewhere.example", email_verified=False)
    assert browser.sign_in().status_code == 303
    assert find_member(site.app.services, site.account_id, "again@jaffle.example") == first


def test_a_member_who_has_a_password_is_linked_by_a_proven_address(site: Site, provider: Provider, browser: Browser) -> None:
    provider.person("maya-1", email=site.email("analyst"))
    assert browser.sign_in().status_code == 303
    assert str(find_member(site.app.services, site.account_id, site.email("analyst"))) == site.people["analyst"]
    signed_in(site, "analyst")


def test_another_subject_with_a_linked_address_is_refused_until_an_admin_forgets_the_link(site: Site, provider: Provider, browser: Browser) -> None:
    provider.person("first-owner", email="shared@jaffle.example")
    assert browser.sign_in().status_code == 303
    provider.person("second-owner", email="shared@jaffle.example")
    refused(site, browser.sign_in(), 403, "belongs to another login", "other_subject")
    shared = find_member(site.app.services, site.account_id, "shared@jaffle.example")
    sso_members.unlink(site.app.services, site.account_id, shared, origin=ORIGIN, actor_id=site.people["admin"])
    assert browser.sign_in().status_code == 303


def test_claims_may_stand_in_the_id_token_itself(site: Site, provider: Provider, browser: Browser) -> None:
    provider.control(id_token_claims=True, restart=True)
    provider.person("inline-1", email="inline@jaffle.example")
    assert browser.sign_in().status_code == 303


def test_an_unverified_address_is_refused(site: Site, provider: Provider, browser: Browser) -> None:
    provider.person("unverified-1", email="unverified@jaffle.example", email_verified=False)
    refused(site, browser.sign_in(), 403, "not verified your e-mail address", "email_unverified")


def test_an_address_of_an_alien_domain_is_refused(site: Site, provider: Provider, browser: Browser) -> None:
    for address in ("eve@alien.example", "eve@sub.jaffle.example", "eve@jaffle.example.alien.example"):
        provider.person(f"alien-{address}", email=address)
        refused(site, browser.sign_in(), 403, "does not let in", "domain_refused")


def test_a_person_without_an_address_is_refused(site: Site, provider: Provider, browser: Browser) -> None:
    provider.person("nameless")
    refused(site, browser.sign_in(), 403, "gave no e-mail address", "email_missing")


def test_a_deactivated_member_is_refused(site: Site, provider: Provider, browser: Browser) -> None:
    provider.person("leaver-1", email="leaver@jaffle.example")
    assert browser.sign_in().status_code == 303
    leaver = find_member(site.app.services, site.account_id, "leaver@jaffle.example")
    manage_members.deactivate(site.app.services, site.account_id, leaver, origin=ORIGIN)
    assert browser.http.get("/connected-apps").headers["location"].startswith("/sign-in")
    refused(site, browser.sign_in(), 403, "You are deactivated", "deactivated")


def test_a_person_who_says_no_at_the_provider_is_told_so(site: Site, provider: Provider, browser: Browser) -> None:
    provider.control(person={"sub": "refuser", "refuses": True})
    refused(site, browser.sign_in(), 403, "did not sign you in (access_denied)", "provider_refused")


# ---- roles by group


def test_groups_decide_the_role_at_each_sign_in(site: Site, provider: Provider, browser: Browser) -> None:
    configure(site, provider.issuer, group_roles=(("ops", "Job Operator"), ("data", "Developer")))
    provider.person("grouped-1", email="grouped@jaffle.example", groups=["data", "ops"])
    assert browser.sign_in().status_code == 303
    assert member(site, "grouped@jaffle.example").role == "Job Operator"
    provider.person("grouped-1", groups=["data"])
    browser.sign_in()
    assert member(site, "grouped@jaffle.example").role == "Developer"
    provider.person("grouped-1", groups=[])
    browser.sign_in()
    assert member(site, "grouped@jaffle.example").role == "Analyst"


def test_without_a_groups_claim_nobodys_role_changes(site: Site, provider: Provider, browser: Browser) -> None:
    provider.person("operator-1", email=site.email("operator"))
    configure(site, provider.issuer, group_roles=(("ops", "Member"),))
    assert browser.sign_in().status_code == 303
    assert member(site, site.email("operator")).role == "Job Operator"


def test_a_role_by_group_keeps_to_the_projects_that_the_person_had(site: Site, provider: Provider, browser: Browser) -> None:
    configure(site, provider.issuer, group_roles=(("devs", "Developer"),))
    person = manage_members.add_member(
        site.app.services, site.account_id, email="narrow@jaffle.example", name="Nell", role="Analyst", projects=["Sales"], origin=ORIGIN
    )
    provider.person("narrow-1", email="narrow@jaffle.example", groups=["devs"])
    assert browser.sign_in().status_code == 303
    found = site.app.services.store.load(Member, UUID(str(person.member_id)))
    assert found is not None
    assert found.holds("project.develop", site.projects["Sales"])
    assert not found.holds("project.develop", site.projects["Finance"])


def test_groups_never_change_a_break_glass_admin(site: Site, provider: Provider, browser: Browser) -> None:
    configure(site, provider.issuer, group_roles=(("nobody", "Member"),), break_glass=(site.people["admin"],))
    provider.person("priya-1", email=site.email("admin"), groups=[])
    assert browser.sign_in().status_code == 303
    assert member(site, site.email("admin")).role == "Account Admin"


# ---- keys, clocks, replays, mix-ups


@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_a_rotated_key_is_accepted(site: Site, provider: Provider, browser: Browser, alg: str) -> None:
    provider.control(restart=True, alg=alg)
    provider.person("rotation-1", email="rotation@jaffle.example")
    assert browser.sign_in().status_code == 303
    provider.control(restart=True, alg=alg)
    assert browser.sign_in().status_code == 303


@pytest.mark.parametrize("skew", [-45, 45])
def test_clocks_may_differ_by_less_than_a_minute(site: Site, provider: Provider, browser: Browser, skew: int) -> None:
    provider.control(skew=skew)
    provider.person("skewed-1", email="skewed@jaffle.example")
    assert browser.sign_in().status_code == 303


def test_a_clock_far_ahead_is_refused(site: Site, provider: Provider, browser: Browser) -> None:
    provider.control(skew=180)
    provider.person("skewed-2", email="skewed2@jaffle.example")
    refused(site, browser.sign_in(), 403, "compare the clocks", "token_refused")


def test_a_provider_that_names_another_issuer_is_refused(site: Site, provider: Provider, browser: Browser) -> None:
    configure(site, f"{provider.issuer}/")
    response = browser.http.get("/sso/start")
    refused(site, response, 403, "names another issuer", "provider_failed")


@pytest.mark.parametrize("iss", ["https://evil.example", ""])
def test_an_answer_that_names_another_issuer_is_refused(site: Site, provider: Provider, browser: Browser, iss: str) -> None:
    provider.person("mixed-1", email="mixed@jaffle.example")
    url = httpx.URL(browser.answer_url())
    tampered = url.copy_set_param("iss", iss)
    refused(site, browser.http.get(tampered), 403, "another provider", "token_refused")


def test_an_answer_without_the_promised_issuer_is_refused(site: Site, provider: Provider, browser: Browser) -> None:
    provider.person("mixed-2", email="mixed@jaffle.example")
    url = httpx.URL(browser.answer_url())
    refused(site, browser.http.get(url.copy_remove_param("iss")), 403, "another provider", "token_refused")


def test_a_replayed_state_is_refused(site: Site, provider: Provider, browser: Browser) -> None:
    provider.person("replay-1", email="replay@jaffle.example")
    url = browser.answer_url()
    assert browser.http.get(url).status_code == 303
    refused(site, browser.http.get(url), 403, "was finished before", "state_replayed")


def test_an_answer_in_another_browser_is_refused_and_used_up(site: Site, provider: Provider, browser: Browser, other_browser: Browser) -> None:
    provider.person("victim-1", email="victim@jaffle.example")
    url = browser.answer_url()
    other_browser.answer_url()
    refused(site, other_browser.http.get(url), 403, "in another browser", "other_browser")
    refused(site, browser.http.get(url), 403, "was finished before", "state_replayed")


def test_a_code_of_another_sign_in_does_not_fit(site: Site, provider: Provider, browser: Browser, other_browser: Browser) -> None:
    """Code injection: PKCE and nonce bind a code to the browser that asked for it."""
    provider.person("injected-1", email="injected@jaffle.example")
    stolen = httpx.URL(other_browser.answer_url()).params["code"]
    mine = httpx.URL(browser.answer_url()).copy_set_param("code", stolen)
    refused(site, browser.http.get(mine), 403, "The token endpoint answered 400 (invalid_grant)", "provider_failed")


def test_a_state_that_was_never_begun_records_nothing(site: Site, provider: Provider, browser: Browser) -> None:
    before = failures(site)
    refused(site, browser.http.get("/sso/callback?state=made-up&code=x"), 403, "was not begun here", None)
    refused(site, browser.http.get("/sso/callback"), 403, "was not begun here", None)
    assert failures(site) == before


def test_the_page_that_follows_is_one_of_ours(site: Site, provider: Provider, browser: Browser) -> None:
    provider.person("next-1", email="next@jaffle.example")
    for wanted in ("https://evil.example", "//evil.example", "/%5Cevil.example", "javascript:alert(1)"):
        assert browser.sign_in(f"/sso/start?next={wanted}").headers["location"] == "/connected-apps"


def test_a_wrong_client_secret_is_told_to_nobody_but_as_the_providers_refusal(site: Site, provider: Provider, browser: Browser) -> None:
    configure(site, provider.issuer, secret="not-the-secret-that-was-issued-by-anyone")
    provider.person("secret-1", email="secret@jaffle.example")
    response = browser.sign_in()
    refused(site, response, 403, "The token endpoint answered 401 (invalid_client)", "provider_failed")
    assert "not-the-secret" not in response.text


# ---- fresh sign-ins


def test_a_sign_in_is_fresh_only_if_the_provider_asked_again(site: Site, provider: Provider, browser: Browser) -> None:
    provider.person("admin-2", email="second.admin@jaffle.example")
    manage_members.add_member(site.app.services, site.account_id, email="second.admin@jaffle.example", name="S", role="Account Admin", origin=ORIGIN)
    assert browser.sign_in("/sso/start?next=/settings/sso").status_code == 303
    asked = browser.http.get("/settings/sso/scim-token/remove")
    assert asked.headers["location"].startswith("/sign-in?")
    assert "again=1" in asked.headers["location"]
    page = browser.http.get(asked.headers["location"])
    assert "/sso/start?next=/settings/sso/scim-token/remove&amp;again=1" in page.text
    assert browser.sign_in("/sso/start?next=/settings/sso/scim-token/remove&again=1").status_code == 303
    assert browser.http.get("/settings/sso/scim-token/remove").status_code == 200


# ---- enforced


def test_where_it_is_enforced_only_break_glass_admins_sign_in_by_password(site: Site, provider: Provider, browser: Browser) -> None:
    analyst = signed_in(site, "analyst")
    configure(site, provider.issuer, enforced=True, break_glass=(site.people["admin"],))
    assert analyst.http.get("/connected-apps").is_redirect
    for email, password in ((site.email("analyst"), PASSWORD), (site.email("analyst"), "wrong"), ("nobody@jaffle.example", PASSWORD)):
        analyst.email, analyst.password = email, password
        answer = analyst.sign_in()
        assert answer.status_code == 401
        assert "Your account signs in with Jaffle Analytics SSO." in text_of(answer)
    signed_in(site, "admin")
    provider.person("enforced-1", email="enforced@jaffle.example")
    assert browser.sign_in().status_code == 303


# ---- one's own sign-ins


def test_a_person_sees_and_ends_their_own_sign_ins(site: Site, provider: Provider, browser: Browser, other_browser: Browser) -> None:
    provider.person("many-1", email="many@jaffle.example")
    assert browser.sign_in().status_code == 303
    assert other_browser.sign_in().status_code == 303
    page = text_of(browser.http.get("/sign-ins"))
    assert page.count("Firefox on Linux SSO 127.0.0.1") == 2
    assert "This one" in page
    viewer = signed_in(site, "viewer")
    action = browser.http.get("/sign-ins").text.partition('action="/sign-ins/')[2].partition('"')[0]
    assert viewer.http.get(f"/sign-ins/{action}").status_code == 404
    settled(site)
    viewer_post = viewer.http.post(f"/sign-ins/{action}", data={"csrf_token": _token(viewer.http)})
    assert viewer_post.status_code == 404
    ended = browser.http.post("/sign-ins/end-others", data={"csrf_token": _token(browser.http)})
    assert ended.status_code == 303
    assert "Ended 1 sign-in" in text_of(browser.http.get("/sign-ins"))
    assert other_browser.http.get("/connected-apps").is_redirect
    assert browser.http.get("/connected-apps").status_code == 200


def _token(http: httpx.Client) -> str:
    return http.get("/sign-ins").text.partition('name="csrf_token" value="')[2].partition('"')[0]


# ---- the page


def test_the_test_button_says_what_the_provider_answers(site: Site, provider: Provider) -> None:
    admin = signed_in(site, "admin")
    page = admin.http.get("/settings/sso")
    tested = admin.http.post("/settings/sso/test", data={"csrf_token": page.text.partition('name="csrf_token" value="')[2].partition('"')[0]})
    assert "The provider works." in text_of(tested)
    assert "PKCE (S256)" in text_of(tested)
