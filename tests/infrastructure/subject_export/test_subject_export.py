from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from application import manage_members
from application.services import Origin
from application.sign_in import SignInRefused, sign_in_with_password
from infrastructure.ledger.verifier import NotProven, main, open_checkpoint
from infrastructure.subject_export import export_to
from infrastructure.subject_export.checking import check_export
from infrastructure.subject_export.signing import check_signature
from tests.infrastructure.erasure.given import shown, signed
from tests.support.oauth_world import CLI, World, oauth_world
from tests.support.postgres import Database

HOME = Origin("ui", "198.51.100.23", "Firefox of Maya")
DESK = Origin("ui", "203.0.113.99", "Chrome of the admin")


@dataclass
class Taken:
    world: World
    member_id: str
    vkey: str
    path: Path

    def read(self, name: str) -> Any:
        with zipfile.ZipFile(self.path) as bundle:
            return json.loads(bundle.read(name))


@pytest.fixture(scope="module")
def taken(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taken]:
    with oauth_world(module_database) as world:
        services, account_id = world.services, world.account_id
        added = manage_members.add_member(
            services, account_id, email="maya@jaffle.example", name="Maya Castillo", role="Analyst", password="correct horse battery", origin=DESK,
            actor_id=world.admin_id,
        )  # fmt: skip
        member_id = str(added.member_id)
        signed_in = sign_in_with_password(services, account_id, "maya@jaffle.example", "correct horse battery", HOME)
        assert not isinstance(signed_in, SignInRefused)
        world.tokens(world.client_id(), member_id=member_id)
        manage_members.deactivate(services, account_id, UUID(member_id), origin=DESK, reason="On leave", actor_id=world.admin_id)
        vkey = signed(world)
        shown(world)
        path = tmp_path_factory.mktemp("export") / "maya.zip"
        export_to(world.app, services, account_id, UUID(member_id), path, origin=CLI)
        yield Taken(world, member_id, vkey, path)


def test_the_bundle_tells_the_person_everything_that_stands_about_them(taken: Taken) -> None:
    person = taken.read("person.json")
    assert (person["name"], person["email"], person["role"]) == ("Maya Castillo", "maya@jaffle.example", "Analyst")
    told = {event["topic"]: event["facts"] for event in taken.read("events.json")}
    assert told["sign_in.succeeded"]["address"] == "198.51.100.23"
    assert told["sign_in.succeeded"]["user_agent"] == "Firefox of Maya"
    assert told["member.deactivated"]["reason"] == "On leave"
    assert {"member.added", "consent.given", "grant.code_issued", "grant.code_exchanged"} <= set(told)
    (consent,) = taken.read("consents.json")
    assert consent["text_shown"]
    assert len(taken.read("sessions.json")) == 1


def test_what_is_somebody_elses_is_left_out(taken: Taken) -> None:
    with zipfile.ZipFile(taken.path) as bundle:
        everything = b"".join(bundle.read(name) for name in bundle.namelist())
    assert b"203.0.113.99" not in everything
    assert b"Chrome of the admin" not in everything


def test_it_is_checked_offline_and_its_proofs_by_the_auditors_verifier(taken: Taken, tmp_path: Path) -> None:
    found = check_export(taken.path, taken.vkey)
    assert found.member_id == taken.member_id
    assert found.proven > 5
    with zipfile.ZipFile(taken.path) as bundle:
        bundle.extractall(tmp_path)
    leaf = next((tmp_path / "proofs").glob("*.leaf"))
    assert main(["proof", str(leaf), str(leaf.with_suffix(".tlog-proof")), "--vkey", taken.vkey]) == 0


def _event(change: Callable[[dict[str, Any]], None]) -> Callable[[str, bytes], bytes]:
    def changed(name: str, content: bytes) -> bytes:
        if name != "events.json":
            return content
        events = json.loads(content)
        change(next(e for e in events if e["topic"] == "sign_in.succeeded"))
        return json.dumps(events).encode()

    return changed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_event(lambda e: e["facts"].update(address="192.0.2.1")), "events.json is not the file"),
        (lambda name, content: content.replace(b"Maya", b"Mara") if name == "person.json" else content, "person.json is not the file"),
        (lambda name, content: content.replace(b'"events": ', b'"events": 1') if name == "manifest.json" else content, "not the one that was signed"),
        (lambda name, content: b"" if name == "manifest.sig" else content, "not signed by"),
        (lambda name, content: b"{" if name == "manifest.json" else content, "not the one that was signed"),
    ],
)
def test_a_changed_bundle_is_named(taken: Taken, tmp_path: Path, change: Callable[[str, bytes], bytes], said: str) -> None:
    forged = tmp_path / "forged.zip"
    with zipfile.ZipFile(taken.path) as bundle, zipfile.ZipFile(forged, "w") as made:
        for name in bundle.namelist():
            made.writestr(name, change(name, bundle.read(name)))
    with pytest.raises(NotProven, match=said):
        check_export(forged, taken.vkey)


def test_what_is_no_export_is_said_in_words(taken: Taken, tmp_path: Path) -> None:
    cut = tmp_path / "cut.zip"
    shutil.copy(taken.path, cut)
    cut.write_bytes(cut.read_bytes()[:500])
    with pytest.raises(NotProven, match="no whole export"):
        check_export(cut, taken.vkey)


def test_the_signature_is_none_of_a_checkpoint_and_the_other_way_round(taken: Taken) -> None:
    with zipfile.ZipFile(taken.path) as bundle:
        note, checkpoint, manifest = (bundle.read(name) for name in ("manifest.sig", "checkpoint", "manifest.json"))
    with pytest.raises(NotProven):
        open_checkpoint(note.decode(), taken.vkey)
    with pytest.raises(NotProven):
        check_signature(checkpoint.decode(), manifest, taken.vkey)


def test_that_it_was_taken_is_recorded(taken: Taken) -> None:
    with taken.world.app.views() as connection:
        ((state,),) = connection.execute("SELECT state FROM events WHERE topic = 'ledger.audit_exported'").fetchall()
    assert json.loads(state)["filter"] == {"member": taken.member_id}
