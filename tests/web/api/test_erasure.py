"""Erasure, export and holds as programs call them."""

from __future__ import annotations

import io
import zipfile

from tests.web.api.conftest import Server


def test_a_member_is_erased_once_and_stays_as_nobody(server: Server) -> None:
    admin, who = server.caller(), server.world.member("Analyst")
    answer = admin.post(f"/members/{who}/erase", {"request": "DSR-2026/14"})
    assert answer.status_code == 200, answer.text
    assert (answer.get_json()["erased"], answer.get_json()["active"], answer.get_json()["email"]) == (True, False, None)
    found = admin.seen(f"/members/{who}", answer)
    assert (found["erased"], found["name"]) == (True, None)
    again = admin.post(f"/members/{who}/erase")
    assert again.status_code == 200
    assert "Grantbook-Position" not in again.headers
    assert admin.post(f"/members/{who}/erase", {"request": "maya@jaffle.example"}).get_json()["code"] == "invalid-input"
    assert admin.post("/members/0a9c1c5e-6a53-4c7f-9f0e-1d9a9a3a7b21/erase").status_code == 404


def test_only_who_manages_the_account_may_erase_export_and_hold(server: Server) -> None:
    viewer, who = server.caller("Account Viewer"), server.world.member("Analyst")
    for path, body in ((f"/members/{who}/erase", None), (f"/members/{who}/export", None), ("/holds", {"matter": "Case 17"})):
        assert viewer.post(path, body).status_code == 403, path


def test_a_hold_keeps_a_member_from_being_erased(server: Server) -> None:
    admin, who = server.caller(), server.world.member("Analyst")
    placed = admin.post("/holds", {"member_id": who, "matter": "Case 17"})
    assert placed.status_code == 201, placed.text
    hold = placed.get_json()
    assert (hold["member_id"], hold["matter"], hold["placed_by"]) == (who, "Case 17", admin.member_id)
    assert hold in admin.get("/holds").get_json()["data"]
    refused = admin.post(f"/members/{who}/erase")
    assert (refused.status_code, refused.get_json()["code"]) == (409, "refused")
    assert "Restricted" in refused.get_json()["detail"]
    assert admin.delete(f"/holds/{hold['hold_id']}").status_code == 204
    assert admin.delete(f"/holds/{hold['hold_id']}").status_code == 404
    assert admin.post(f"/members/{who}/erase").status_code == 200
    assert admin.post("/holds", {"member_id": who, "matter": "Case 17"}).status_code == 409


def test_what_is_kept_about_a_member_is_exported_and_nothing_of_somebody_erased(server: Server) -> None:
    admin, who = server.caller(), server.world.member("Analyst")
    answer = admin.post(f"/members/{who}/export")
    assert (answer.status_code, answer.content_type) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as bundle:
        assert who in bundle.read("person.json").decode()
    admin.post(f"/members/{who}/erase")
    assert admin.post(f"/members/{who}/export").status_code == 409
