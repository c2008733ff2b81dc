from __future__ import annotations

import stat
import uuid
from pathlib import Path

from tests.web.cli.conftest import Grantbook


def new_member(grantbook: Grantbook) -> tuple[str, str]:
    email = f"{uuid.uuid4().hex[:12]}@acme.example"
    added = grantbook(
        "member", "add", "--email", email, "--name", "Maya Castillo", "--role", "Analyst", "--password-stdin", stdin="battery staple horse\n"
    )
    return email, added["member_id"]


def test_a_member_is_erased_after_a_question_and_by_id_once_the_login_is_gone(grantbook: Grantbook) -> None:
    email, member_id = new_member(grantbook)
    asked = grantbook.run("member", "erase", email, stdin="n\n")
    assert asked.returncode == 1
    assert "can't be undone" in asked.stderr
    assert grantbook("member", "erase", email, "--request", "DSR-14", "--yes")["changed"] is True
    assert "There is no member" in grantbook.refused("member", "erase", email, "--yes")
    assert grantbook("member", "erase", member_id) == {"changed": False, "event": None, "member_id": member_id}
    row = next(row for row in grantbook("member", "list") if row["member_id"] == member_id)
    assert (row["erased"], row["name"], row["email"]) == (True, None, None)
    assert "only account admin" in grantbook.refused("member", "erase", "admin@acme.example", "--yes")
    assert "ticket" in grantbook.refused("member", "erase", member_id, "--request", "maya@acme.example", code=2)


def test_holds_are_placed_listed_and_released(grantbook: Grantbook) -> None:
    email, member_id = new_member(grantbook)
    hold_id = grantbook("hold", "place", "--member", email, "--matter", "Case 17")["hold_id"]
    assert hold_id in grantbook.refused("member", "erase", email, "--yes")
    assert {"hold_id": hold_id, "keeps": member_id, "matter": "Case 17"}.items() <= grantbook("hold", "list")[0].items()
    assert grantbook("hold", "release", hold_id)["changed"] is True
    assert "`grantbook hold list`" in grantbook.refused("hold", "release", hold_id)
    assert "--everybody" in grantbook.refused("hold", "place", "--matter", "Case 17", code=2)


def test_what_is_kept_about_a_member_is_exported_for_nobody_else_to_read(grantbook: Grantbook, tmp_path: Path) -> None:
    email, member_id = new_member(grantbook)
    path = tmp_path / "maya.zip"
    assert grantbook("member", "export", email, "-o", str(path))["events"] >= 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    vkey = grantbook("ledger", "checkpoint", "--key")["vkey"]
    assert grantbook("member", "check-export", str(path), "--vkey", vkey)["member_id"] == member_id
    path.write_bytes(path.read_bytes()[:-200])
    assert "no whole export" in grantbook.refused("member", "check-export", str(path), "--vkey", vkey)
