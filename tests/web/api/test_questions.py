"""The questions about the past, asked through the API."""

from __future__ import annotations

import io
import json
import zipfile
from urllib.parse import quote

import psycopg

from application import decide_app
from infrastructure.ledger.sealing import Sealing, signer_of
from infrastructure.ledger.verifier import check_proof
from tests.support.oauth_world import CLI
from tests.web.api.conftest import Server, client_of


def test_the_questions_are_listed_with_what_they_take(server: Server) -> None:
    listed = {question["name"]: question for question in server.caller().get("/questions").get_json()["data"]}
    assert len(listed) == 15
    assert listed["explain"]["all_needed"] == ["user", "client", "scope"]
    assert listed["explain"]["note"] == "What stood before the session began counts from its first event."
    described = server.world.http.get("/api/v1/openapi.json").get_json()["components"]["schemas"]["Answer"]["properties"]["lines"]["description"]
    assert f"`explain`: {listed['explain']['note']}" in described
    assert {question["note"] for name, question in listed.items() if name != "explain"} == {""}


def test_an_answer_cites_events_of_this_account(server: Server) -> None:
    admin, world = server.caller(), server.world
    client_id = client_of(server, "Asked about")
    decide_app.approve(world.services, world.account_id, client_id, actor_id=world.admin_id, origin=CLI)
    server.settled()
    answer = admin.get(f"/questions/approval?client={client_id}").get_json()
    assert answer["says"] == "The app was approved and never used."
    registered, approved = answer["lines"]
    assert (registered["facts"]["what"], approved["facts"]["what"]) == ("registered", "approved")
    entry = admin.get(f"/audit/entries/{approved['because']['approved'][0]}-1").get_json()
    assert (entry["event_type"], entry["actor_id"]) == ("oauth_client.approved", world.admin_id)


def test_what_is_asked_wrongly_is_told_by_its_parameter(server: Server) -> None:
    admin = server.caller()
    assert admin.get("/questions/nothing").status_code == 404
    for asked, parameter in (
        ("ending", "grant"), ("ending?grant=x", "grant"), ("approval?client=nobody", "client"), ("deeds?user=nobody@jaffle.example", "user"),
        ("who?at=2020-01-01T00:00:00Z", "at"), ("entry?event=99999999", "event"), ("explain?user=admin@jaffle.example", "client"),
    ):  # fmt: skip
        refused = admin.get(f"/questions/{asked}")
        assert refused.status_code == 422, asked
        assert refused.get_json()["errors"][0]["parameter"] == parameter


def test_an_answer_comes_with_its_proof_once_something_is_signed(own_server: Server) -> None:
    server = own_server
    admin, app = server.caller(), server.world.app
    refused = admin.get("/questions/kept/proof")
    assert (refused.status_code, "Nothing is signed yet" in refused.get_json()["detail"]) == (409, True)
    with psycopg.connect(app.dsn, autocommit=True) as connection:
        Sealing(app.settings, app.services).term(connection)(connection, lambda: None)
        vkey = signer_of(app.settings, connection).vkeys[0]
    proved = admin.get("/questions/kept/proof")
    assert (proved.content_type, proved.headers["Grantbook-Unproved"]) == ("application/zip", "0")
    with zipfile.ZipFile(io.BytesIO(proved.data)) as bundle:
        assert json.loads(bundle.read("answer.json"))["question"] == "kept"
        assert check_proof(bundle.read("events/1.leaf"), bundle.read("events/1.tlog-proof").decode(), vkey)[0] == 0


def test_a_person_is_asked_for_by_address_or_id(server: Server) -> None:
    admin, world = server.caller(), server.world
    server.settled()
    by_address = admin.get(f"/questions/deeds?user={quote('admin@jaffle.example')}").get_json()["lines"]
    assert by_address == admin.get(f"/questions/deeds?user={world.admin_id}").get_json()["lines"] != []
