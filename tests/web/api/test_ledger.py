"""What the API tells of the ledger."""

from __future__ import annotations

from contextlib import closing

import pytest

from infrastructure.database import connect
from infrastructure.ledger.sealing import REFUSED, Sealing
from infrastructure.ledger.verifier import open_checkpoint
from infrastructure.ledger.whole_check import begin
from tests.web.api.conftest import Server, client_of, every_entry


def sealed(server: Server) -> None:
    """Sign what there is, as the leading projector does."""
    server.settled()
    app = server.world.app
    with closing(connect(app.dsn)) as leading:
        Sealing(app.settings, app.services).term(leading)(leading, server.settled)


def test_the_newest_checkpoint_comes_with_the_key_that_opens_it(server: Server) -> None:
    admin = server.caller()
    sealed(server)
    said = admin.get("/ledger").get_json()
    found = open_checkpoint(said["checkpoint"]["note"], said["vkeys"][0])
    assert (found.origin, found.size, found.root.hex()) == (said["origin"], said["checkpoint"]["size"], said["checkpoint"]["root"])
    assert (said["state"], said["refused"], said["places"]) == ("current", None, [])
    assert said["checkpoint"]["signed_at"] > "2020"


def test_checkpoints_are_listed_page_by_page_to_the_first(server: Server) -> None:
    admin = server.caller()
    for number in range(3):
        client_of(server, f"Signed {number}")
        sealed(server)
    whole = admin.get("/ledger/checkpoints?limit=200").get_json()
    assert whole["next_cursor"] is None
    assert every_entry(admin, "/ledger/checkpoints", 2) == whole["data"]
    sizes = [each["size"] for each in whole["data"]]
    assert len(sizes) > 2
    assert sizes == sorted(sizes, reverse=True)
    refused = admin.get("/ledger/checkpoints?cursor=bWVtYmVyczox")
    assert (refused.status_code, refused.get_json()["errors"][0]["parameter"]) == (422, "cursor")


def test_a_refusal_and_the_last_check_are_told(server: Server) -> None:
    admin, app = server.caller(), server.world.app
    check = begin(app)
    assert check is not None
    check.join(60)
    app.store.tables().set_meta(REFUSED, "It was set back.\nBring it back.")
    try:
        said = admin.get("/ledger").get_json()
    finally:
        app.store.tables().set_meta(REFUSED, "")
    assert (said["state"], said["refused"]) == ("refused", "It was set back.\nBring it back.")
    assert (said["verified"]["findings"], said["verified"]["positions"]) == ({}, [])
    assert said["verified"]["events"] >= said["verified"]["position"] > 0


@pytest.mark.parametrize("path", ["/ledger", "/ledger/checkpoints"])
def test_it_is_for_those_who_may_read_the_audit_log(server: Server, path: str) -> None:
    assert server.caller("Account Viewer").get(path).status_code == 200
    for caller in (server.caller("Analyst"), server.caller(scopes="account:manage")):
        assert caller.get(path).status_code == 403
