from __future__ import annotations

import io
import zipfile

import httpx
import pytest

from tests.support.http_flow import Person, hidden
from tests.web.pages.conftest import Site, settled, signed_in, text_of
from tests.web.pages.test_members import newcomer, state


@pytest.fixture(scope="module")
def admin(site: Site) -> Person:
    return signed_in(site, "admin")


def sent(admin: Person, page: str, path: str, **fields: str) -> httpx.Response:
    token = hidden(admin.http.get(page).text)["csrf_token"]
    return admin.http.post(path, data={"csrf_token": token, **fields})


def test_a_person_is_erased_after_being_told_what_goes_and_what_stays(site: Site, admin: Person) -> None:
    member_id, person = newcomer(site, name="Gone Gloria")
    page = f"/settings/members/{member_id}/data/erase"
    question = text_of(admin.http.get(page))
    for words in ("Erase Gone Gloria for good?", "Destroyed:", "Kept:", "Not reached:"):
        assert words in question
    wrong = sent(admin, page, page, request="gloria@jaffle.example")
    assert (wrong.status_code, "ticket" in wrong.text) == (400, True)
    assert not state(site, member_id).erased
    answer = sent(admin, page, page, request="DSR-14")
    assert answer.status_code == 303
    told = text_of(admin.http.get(answer.headers["location"]))
    assert "Erased." in told
    assert "Gone Gloria" not in told, told[max(0, told.index("Gone Gloria") - 300) : told.index("Gone Gloria") + 100]
    assert person.http.get("/connected-apps").status_code == 303, "every sign-in has ended"
    assert person.sign_in().status_code != 303
    settled(site)
    assert "Gone Gloria" not in admin.http.get("/settings/members?q=Gloria&status=erased").text
    assert "was erased" in text_of(admin.http.get(f"/settings/members/{member_id}/data"))


def test_a_hold_is_placed_on_the_persons_page_and_released_from_the_list(site: Site, admin: Person) -> None:
    member_id, _ = newcomer(site, name="Held Henry")
    page = f"/settings/members/{member_id}/data"
    assert sent(admin, page, f"{page}/hold", matter=" ").status_code == 400
    assert sent(admin, page, f"{page}/hold", matter="Case 17, Henry").status_code == 303
    told = admin.http.get(page).text
    assert "Case 17, Henry" in told
    assert f"{page}/erase" not in told
    refused = sent(admin, f"{page}/erase", f"{page}/erase")
    assert (refused.status_code, "Restricted" in refused.text) == (400, True)
    listed = admin.http.get("/settings/holds").text
    assert "Held Henry" in listed
    release = listed.split("Case 17, Henry")[1].split('href="')[2].split('"')[0]
    assert "Case 17, Henry" in text_of(admin.http.get(release))
    assert sent(admin, release, release).status_code == 303
    assert "No hold keeps" in admin.http.get(page).text


def test_a_hold_on_everybody_is_placed_from_the_list(site: Site, admin: Person) -> None:
    assert sent(admin, "/settings/holds", "/settings/holds", matter="").status_code == 400
    assert sent(admin, "/settings/holds", "/settings/holds", matter="The whole of it").status_code == 303
    listed = admin.http.get("/settings/holds").text
    assert "Everybody of the account" in listed
    release = listed.split("The whole of it")[1].split('href="')[1].split('"')[0]
    assert sent(admin, release, release).status_code == 303


def test_an_export_is_a_file_named_by_the_id(site: Site, admin: Person) -> None:
    member_id, _ = newcomer(site, name="Asking Anna")
    page = f"/settings/members/{member_id}/data"
    answer = sent(admin, page, f"{page}/export")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    assert f"member-{member_id}.zip" in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
        assert "Asking Anna" in bundle.read("person.json").decode()
