"""A person is erased, and looked for everywhere: tables, a new backup, pages, the API, exports, files, log lines. Every proof still holds."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from application import erase_member, holds, manage_members
from application.scim_profiles import profile_from
from application.scim_users import Directory
from application.services import Origin
from application.sign_in import SignedIn, sign_in_with_password
from infrastructure.ledger.bundle import proof_of, write_bundle
from infrastructure.ledger.live import findings
from infrastructure.ledger.sealing import name_of, signer_of
from infrastructure.ledger.store import newest
from infrastructure.ledger.verifier import check_bundle, check_proof
from infrastructure.store.verify import verify_ledger
from projections.comparing.comparison import Difference
from projections.events import PersonalReader
from projections.registry import PROJECTIONS
from projections.verify import verify
from tests.infrastructure.erasure.given import leading, shown, signed
from tests.infrastructure.erasure.needles import found
from tests.operations import test_backup
from tests.support.oauth_world import CLI, World, oauth_world
from tests.support.postgres import Database
from tests.web.api.conftest import Caller, Server, add_client

NAME, EMAIL, LOGIN = "Maya Quetzalcóatl", "maya.quetzal@zebra.example", "mquetzal"
ADDRESS, AGENT, REASON = "198.51.100.177", "Zebrafox/77 (Quokka OS)", "Maya lost her zebra laptop"
PERSON = (NAME, EMAIL, LOGIN, ADDRESS, AGENT, REASON)
HOME = Origin("ui", ADDRESS, AGENT)
PASSWORD = "correct horse battery"
_LINK = re.compile(r'(?:href|action)="(/[^"#]*)')


@dataclass
class Erased:
    """A world in which somebody lived and was erased, and what an auditor kept from before."""

    world: World
    member_id: str
    admin: Caller
    vkey: str
    proofs: list[tuple[bytes, str]]
    checkpoint: str
    at_once: list[str]


class Reading(Server):
    """A server whose admin also reads about somebody under an idempotency key, so that an answer with their name is kept."""

    def admin_reads(self, member_id: str) -> None:
        answer = self.caller().call(
            "PATCH", f"/members/{member_id}", json={"role": "Developer"}, headers={"If-Match": "*", "Idempotency-Key": "zebra-2"}
        )
        assert EMAIL in answer.text


def lived(world: World, server: Reading) -> str:
    """Somebody whose data goes everywhere that it can."""
    services, account_id = world.services, world.account_id
    profile = profile_from({"userName": LOGIN, "displayName": NAME, "emails": [{"value": EMAIL, "primary": True}]})
    member_id = Directory(services, world.app.identity, account_id, Origin("api")).add(profile, active=True).member_id
    by: Any = {"actor_id": world.admin_id, "origin": CLI}
    manage_members.change_role(services, account_id, UUID(member_id), "Account Admin", **by)
    manage_members.set_password(services, account_id, UUID(member_id), EMAIL, PASSWORD, **by)
    services.store.tables().add_login(account_id, "sso", "https://idp.example", services.login_key(account_id, LOGIN), member_id, None)
    for password in (PASSWORD, "wrong", PASSWORD):
        signed_in = sign_in_with_password(services, account_id, EMAIL, password, HOME)
    assert isinstance(signed_in, SignedIn)
    client_id = world.client_id()
    refresh = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": world.tokens(client_id, member_id=member_id)["refresh_token"]}
    at_home: Any = {"environ_base": {"REMOTE_ADDR": ADDRESS}, "headers": {"User-Agent": AGENT}}
    assert world.front.post("/oauth/token", data=refresh, **at_home).status_code == 200
    caller = Caller(world, _api_token(world, server, member_id), member_id)
    peer: Any = {"environ_base": {"REMOTE_ADDR": ADDRESS}, "headers": {"User-Agent": AGENT, "Idempotency-Key": "zebra-1"}}
    made = caller.call("POST", "/members", json={"email": "other@jaffle.example", "name": "Other", "role": "Member"}, **peer)
    assert made.status_code == 201, made.text
    caller.call("POST", f"/members/{made.get_json()['member_id']}/deactivate", json={"reason": "Not needed"}, environ_base={"REMOTE_ADDR": ADDRESS})
    server.admin_reads(member_id)
    world.http.get(f"/sign-in?next=/consent&login_hint={EMAIL}", environ_base={"REMOTE_ADDR": ADDRESS})
    world.authorize(world.client_id(), state=f"for {EMAIL}", login_hint=EMAIL)
    held = holds.place(services, account_id, member_id=UUID(member_id), matter=f"{NAME} against us", **by)
    holds.release(services, account_id, held.hold_id, **by)
    manage_members.deactivate(services, account_id, UUID(member_id), reason=REASON, **by)
    manage_members.reactivate(services, account_id, UUID(member_id), reason=REASON, **by)
    return member_id


def _api_token(world: World, server: Server, member_id: str) -> str:
    scopes = "account:read account:manage"
    tokens = world.tokens(server.client_id, member_id, scopes=scopes, scope=scopes, resource="http://localhost:8000/api/v1")
    return str(tokens["access_token"])


@pytest.fixture(scope="module")
def erased(module_database: Database) -> Iterator[Erased]:
    with oauth_world(module_database) as world:
        server = Reading(world, add_client(world))
        shown(world)
        member_id = lived(world, server)
        vkey = signed(world)
        shown(world)
        with leading(world) as connection:
            log = newest(connection, name_of(world.app.settings, connection))
            assert log is not None
            proofs = [proof_of(connection, log, position) for position in range(1, log.size + 1)]
        admin = server.caller()
        assert found(dumped(world), PERSON), "they stand in the tables before"
        assert NAME in admin.get(f"/members/{member_id}").get_json()["name"]
        erase_member.erase(world.services, world.account_id, UUID(member_id), origin=CLI, request="DSR-14", actor_id=world.admin_id)
        at_once = found(dumped(world), PERSON)
        yield Erased(world, member_id, admin, vkey, proofs, log.note, at_once)


def dumped(world: World) -> bytes:
    """A new backup of the whole database, every schema and every role's tables."""
    return subprocess.run([program(world, "pg_dump"), f"--dbname={world.database.superuser_dsn}"], capture_output=True, check=True).stdout


def program(world: World, name: str) -> Path:
    """A client program beside the server that this world's database is in."""
    with psycopg.connect(world.database.superuser_dsn) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    return test_backup.program(name, Path(row[0]).parent)


def test_before_the_projector_has_come_to_it_only_the_audit_log_waits(erased: Erased) -> None:
    assert set(erased.at_once) <= {ADDRESS, REASON}


def test_no_table_and_no_new_backup_holds_anything_of_them(erased: Erased) -> None:
    shown(erased.world)
    assert found(dumped(erased.world), PERSON) == []


def test_no_page_shows_anything_of_them(erased: Erased) -> None:
    shown(erased.world)
    browser, seen, waiting = erased.world.browser, set[str](), ["/settings", f"/settings/members/{erased.member_id}", "/connected-apps", "/sign-ins"]
    wrong: dict[str, list[str]] = {}
    while waiting:
        path = waiting.pop().replace("&amp;", "&")
        where = re.sub(r"\b(before|after|position)=[^&]*", "", path)
        narrower = "/audit/export" in path and "?" in path  # holds nothing that the whole export doesn't
        if where in seen or narrower or path.startswith(("/static", "/sign-out", "/api", "/oauth")):
            continue
        seen.add(where)
        answer = browser.get(path)
        assert answer.status_code < 500, (path, answer.status_code)
        if told := found(answer.data, PERSON):
            wrong[path] = told
        if answer.content_type.startswith("text/html"):
            waiting += _LINK.findall(answer.text)
        answer.close()
    assert wrong == {}
    assert len(seen) > 40, seen


def test_no_answer_of_the_api_and_no_export_holds_anything_of_them(erased: Erased) -> None:
    shown(erased.world)
    admin, member_id = erased.admin, erased.member_id
    paths = [rule for rule in admin.get("/openapi.json").get_json()["paths"] if "{" not in rule and "get" in _operations(admin, rule)]
    paths += [
        f"{path}?{query}" for path in ("/audit/entries", "/audit/export") for query in (f"member_id={member_id}", "limit=200")[: 1 + ("es" in path)]
    ]
    paths += ["/audit/export?format=csv", "/audit/export?format=jsonl", f"/members/{member_id}", f"/sessions?member_id={member_id}&status=all"]
    wrong, read = {}, 0
    for path in (p.removeprefix("/api/v1") for p in paths):
        answer = admin.get(path)
        assert answer.status_code < 500, (path, answer.text)
        read += answer.status_code == 200
        if told := found(answer.data, PERSON):
            wrong[path] = told
        answer.close()
    assert wrong == {}
    assert read > 12
    repeated = admin.call("PATCH", f"/members/{member_id}", json={"role": "Developer"}, headers={"If-Match": "*", "Idempotency-Key": "zebra-2"})
    assert repeated.status_code == 409
    assert found(repeated.data, PERSON) == []


def _operations(admin: Caller, rule: str) -> dict[str, Any]:
    return dict(admin.get("/openapi.json").get_json()["paths"][rule])


def test_a_bundle_made_after_it_holds_nothing_of_them_and_is_still_complete(erased: Erased, tmp_path: Path) -> None:
    signed(erased.world)
    with leading(erased.world) as connection:
        log = newest(connection, name_of(erased.world.app.settings, connection))
        assert log is not None
        write_bundle(connection, log, tmp_path / "all.zip", erased.world.account_id)
    checked = check_bundle(tmp_path / "all.zip", erased.vkey, erased.checkpoint)
    assert checked.complete_to
    assert checked.entries > len(erased.proofs)
    done = subprocess.run(["unzip", "-p", tmp_path / "all.zip"], capture_output=True, check=True)
    assert found(done.stdout, PERSON) == []


def test_every_proof_of_before_holds_and_the_store_verifies(erased: Erased) -> None:
    signed(erased.world)
    for position, (leaf, proof) in enumerate(erased.proofs, 1):
        assert check_proof(leaf, proof, erased.vkey)[0] == position - 1
        assert found(leaf, PERSON) == []
    with leading(erased.world) as connection:
        signer = signer_of(erased.world.app.settings, connection)
        assert [*verify_ledger(connection, lambda _: None), *findings(connection, signer)] == []


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda p: p.name)
def test_views_built_anew_are_what_the_erasure_left(erased: Erased, projection: Any) -> None:
    world = erased.world
    shown(world)
    reader = PersonalReader(world.app.keyring.open, world.app.keyring.prefetch)
    with leading(world) as connection, leading(world) as snapshot:
        assert [each for each in verify(connection, snapshot, projection, reader) if isinstance(each, Difference)] == []


def test_no_log_line_names_them(erased: Erased, capfd: pytest.CaptureFixture[str]) -> None:
    """The access log names peers, for as long as it is kept; what was done here came from no address of theirs."""
    erased.admin.get(f"/members/{erased.member_id}")
    erased.world.browser.get(f"/settings/members/{erased.member_id}/data")
    erased.admin.post(f"/members/{erased.member_id}/erase", {"request": "DSR-15"})
    said = capfd.readouterr()
    assert found((said.out + said.err).encode(), PERSON) == []


def test_the_search_finds_what_is_hidden() -> None:
    import base64

    for hidden in (
        EMAIL.upper().encode(), json.dumps(NAME).encode(), EMAIL.encode().hex().encode(), base64.b64encode(b"xy" + EMAIL.encode() + b"z"),
        base64.b64encode(f"a{ADDRESS}bc".encode()).hex().encode(), base64.urlsafe_b64encode(f"abcd{NAME}".encode()),
    ):  # fmt: skip
        assert found(b"before " + hidden + b" behind", PERSON), hidden
    assert found(b"nothing of the kind", PERSON) == []
