"""What the API tells of how apps are used, and who asked for one."""

from __future__ import annotations

from uuid import uuid4

from application.ask_approval import ask
from application.begin_authorization import PendingRequest
from application.services import Origin
from domain.ids import client_stream_from
from tests.web.api.conftest import Server, client_of


def test_use_is_told_by_day_and_by_scope(server: Server) -> None:
    admin, world = server.caller(), server.world
    client_id = client_of(server, "Used")
    world.tokens(client_id, scope="account:read projects:query", scopes="account:read projects:query")
    server.settled()
    found = admin.get(f"/integrations/{client_id}/usage?days=7").get_json()
    assert (found["people"], len(found["days"])) == (1, 7)
    assert (found["days"][-1]["registrations"], found["days"][-1]["consents"], found["days"][-1]["tokens"]) == (1, 1, 1)
    assert [(use["scope"], use["granted"], use["used"], use["last_used_at"]) for use in found["scopes"]] == [
        ("account:read", 1, 0, None), ("projects:query", 1, 0, None),
    ]  # fmt: skip
    whole = admin.get("/usage").get_json()["data"]
    assert len(whole) == 30
    assert whole[-1]["registrations"] >= 1
    assert whole[0]["day"] < whole[-1]["day"]
    assert "failed_sign_ins" in whole[-1]
    assert admin.get("/usage/unused-scopes").get_json() == {"data": []}


def test_who_asked_for_an_app_is_listed_with_the_reason(own_server: Server) -> None:
    admin, world = own_server.caller(), own_server.world
    admin.patch("/policies/registration", {"registration": "approval"})
    client_id = client_of(own_server, "Wanted")
    own_server.settled()
    assert admin.get(f"/integrations/{client_id}/approval-requests").get_json() == {"data": []}
    stream = client_stream_from(client_id, world.account_id)
    request = PendingRequest(
        request_id=str(uuid4()), account_id=world.account_id, client_stream=str(stream), client_id=client_id, redirect_uri="https://a.example/cb",
        redirect_uri_sent=True, scopes=("account:read",), resource=world.services.mcp_url, state=None, code_challenge="x" * 43,
        created_at=world.services.clock(),
    )  # fmt: skip
    assert ask(world.services, request, admin.member_id, reason="Weekly", origin=Origin("ui"))
    assert ask(world.services, request, admin.member_id, reason="Again", origin=Origin("ui")) is None
    own_server.settled()
    (asked,) = admin.get(f"/integrations/{client_id}/approval-requests").get_json()["data"]
    assert (asked["member_id"], asked["requested"], asked["reason"]) == (admin.member_id, ["account:read"], "Weekly")
    admin.post(f"/integrations/{client_id}/approve")
    assert ask(world.services, request, admin.member_id, reason="Late", origin=Origin("ui")) is None


def test_what_is_no_app_or_no_number_of_days_is_refused(server: Server) -> None:
    admin = server.caller()
    assert admin.get("/integrations/none/usage").status_code == admin.get("/integrations/none/approval-requests").status_code == 404
    assert [admin.get(f"/usage?days={days}").status_code for days in ("0", "366", "x")] == [422, 422, 422]
