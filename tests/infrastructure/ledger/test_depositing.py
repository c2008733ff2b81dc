"""Deposits as the leading projector makes them: real places, one that hangs, a database that was set back."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from domain.ids import ledger_stream
from infrastructure.bootstrap import App, bootstrap
from infrastructure.database import connect
from infrastructure.ledger import adoption, store, verifier
from infrastructure.ledger.bundle import proof_of
from infrastructure.ledger.deposits import record
from infrastructure.ledger.deposits.configured import configured
from infrastructure.ledger.deposits.places import Kind, Receipt
from infrastructure.ledger.deposits.state import PlaceState, places
from infrastructure.ledger.deposits.worker import Depositing, Pauses
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.sealing import Sealing, name_of, newest, newest_for, refusal, witnessed
from infrastructure.metrics_store import store_gauges
from infrastructure.projector import Projector
from infrastructure.readiness import readiness
from infrastructure.root_keys import parse_keys
from infrastructure.settings_deposits import Deposits
from infrastructure.store import era
from infrastructure.store.sequencer import Sequencer
from projections.events import PersonalReader
from tests.infrastructure.ledger.deposits.given import Log
from tests.support.oauth_world import CLI, KEYS, PlainPasswords, World, oauth_world
from tests.support.postgres import Database
from tests.support.witness import Witness, running_witness

LOGS = tuple(f"auth.example.com/ledger-{name}" for name in ("cosigned", "folder", "git", "witness"))
PATIENCE = 60.0
QUICK = Pauses(look=0.02, patience=PATIENCE, first=0.05, longest=0.2, ahead=0.05)
GUARDED = ("events", "positions", "ledger_checkpoints", "ledger_nodes", "ledger_deposits")
SET_BACK = (
    "DELETE FROM ledger_deposits WHERE size > %(size)s",
    "DELETE FROM ledger_checkpoints WHERE size > %(size)s",
    "DELETE FROM positions WHERE position > %(size)s",
    "DELETE FROM events e WHERE NOT EXISTS (SELECT FROM positions p WHERE (p.originator_id, p.originator_version) = (e.originator_id, "
    "e.originator_version))",
)


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with oauth_world(database) as made:
        yield made


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    """One that knows all these logs."""
    first, *more = [(log, LogSigner(log, parse_keys(KEYS[2])).vkeys[0]) for log in LOGS]
    with running_witness(tmp_path_factory.mktemp("witness") / "w", *first, *more) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "deposited"
    path.mkdir()
    return path


@dataclass
class Leader:
    """Who leads, by hand: its connection, its sealer, the threads of its places."""

    app: App
    connection: psycopg.Connection[Any]
    depositing: Depositing

    @contextmanager
    def term(self) -> Iterator[Callable[[Callable[[], Any]], None]]:
        """Gives what goes on until something is so."""
        sequencer, demoted = Sequencer(self.connection), threading.Event()
        seal = Sealing(self.app.settings, self.app.services, self.depositing).term(self.connection)
        threads = self.depositing.term(demoted)
        for thread in threads:
            thread.start()

        def goes_on_until(condition: Callable[[], Any]) -> None:
            def step() -> Any:
                sequencer.sequence()
                seal(self.connection, sequencer.sequence)
                return condition()

            until(step)

        try:
            yield goes_on_until
        finally:
            demoted.set()
            for thread in threads:
                thread.join(PATIENCE)

    def places(self) -> list[PlaceState]:
        return places(self.app.settings, self.connection)

    def sizes(self) -> list[int]:
        """Of the last deposit at each place, 0 where there is none."""
        return [each.size or 0 for each in self.places()]

    def newest(self) -> store.Signed:
        found = newest(self.app.settings, self.connection)
        assert found is not None
        return found


@contextmanager
def leader(world: World, deposits: Deposits, log: str | None = None) -> Iterator[Leader]:
    settings = replace(world.app.settings, deposits=replace(deposits, seconds=0))
    app = bootstrap(settings, clock=world.clock, passwords=PlainPasswords())
    with connect(app.dsn) as connection:
        if log is not None:
            era.set_meta(connection, store.ORIGIN, log)
        try:
            yield Leader(app, connection, Depositing(settings, app.services, app.dsn, QUICK))
        finally:
            app.close()


def topics(world: World) -> list[str]:
    return world.topics(ledger_stream(world.account_id))


def as_superuser(world: World, *statements: str, **values: Any) -> None:
    with psycopg.connect(world.database.superuser_dsn, autocommit=True) as owner:
        for table in GUARDED:
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
        for sql in statements:
            owner.execute(sql.encode(), values)


# ---- what is deposited, and when


def test_a_checkpoint_is_deposited_once_and_its_deposit_causes_no_other(world: World, folder: Path) -> None:
    with leader(world, Deposits(folder=folder)) as leading, leading.term() as goes_on_until:
        goes_on_until(lambda: topics(world).count("ledger.checkpoint_deposited") == 1)
        (first,) = leading.sizes()
        goes_on_until(lambda: leading.newest().size > first)
        world.client_id()
        goes_on_until(lambda: leading.sizes() > [first + 2])
        (second,) = leading.sizes()
        goes_on_until(lambda: leading.newest().size > second)
        assert sorted(int(path.stem) for path in folder.rglob("*.checkpoint")) == [first, second], "the deposit's own event was not deposited"
        assert topics(world).count("ledger.checkpoint_deposited") == 2


def test_nothing_is_deposited_before_its_time(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks, last = [0], record.last

    def counted(*given: Any) -> Any:
        looks[0] += 1
        return last(*given)

    monkeypatch.setattr("infrastructure.ledger.deposits.worker.record.last", counted)
    with leader(world, Deposits(folder=folder)) as leading:
        object.__setattr__(leading.app.settings.deposits, "seconds", 3600)
        with leading.term() as goes_on_until:
            goes_on_until(lambda: leading.sizes() > [0])
            (first,) = leading.sizes()
            world.client_id()
            goes_on_until(lambda: leading.newest().size > first + 2)
            before = looks[0]
            goes_on_until(lambda: looks[0] > before + 4)
            assert leading.sizes() == [first]
            as_superuser(world, "UPDATE ledger_deposits SET at = at - interval '2 hours'")
            goes_on_until(lambda: leading.sizes() > [first])


@pytest.mark.foreign
def test_a_witness_cosigns_and_the_newest_that_it_cosigned_is_offered_with_proofs(
    world: World, witness: Witness, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with leader(world, Deposits(witnesses=((witness.vkey, witness.url),)), LOGS[0]) as leading:
        with leading.term() as goes_on_until:
            goes_on_until(lambda: leading.sizes() > [0] and leading.newest().size > leading.sizes()[0])
        settings, connection = leading.app.settings, leading.connection
        found = witnessed(settings, connection)
        assert found is not None
        assert [found.size] == leading.sizes()
        assert "witness.example" not in leading.newest().note
        assert newest_for(settings, connection, 1) == found
        assert newest_for(settings, connection, found.size + 1) == leading.newest()
        leaf, proof = proof_of(connection, found, 1)
    (tmp_path / "1.leaf").write_bytes(leaf)
    (tmp_path / "1.tlog-proof").write_text(proof, encoding="utf-8")
    vkey = LogSigner(LOGS[0], parse_keys(KEYS[2])).vkeys[0]
    arguments = ["proof", str(tmp_path / "1.leaf"), str(tmp_path / "1.tlog-proof"), "--vkey", vkey]
    assert verifier.main([*arguments, "--witness", witness.vkey]) == 0
    assert "Cosigned by witness.example/w1 at 20" in capsys.readouterr().out
    assert verifier.main(arguments) == 0
    assert "Not checked: the signature of witness.example/w1." in capsys.readouterr().out
    (tmp_path / "1.tlog-proof").write_text(proof.replace(proof.rstrip("\n")[-6:-2], "AAAA"), encoding="utf-8")
    assert verifier.main([*arguments, "--witness", witness.vkey]) == 1
    assert "The cosignature of witness.example/w1 is not one of this checkpoint" in capsys.readouterr().err


# ---- what goes wrong


@contextmanager
def hanging() -> Iterator[str]:
    """The address of a service that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.foreign
def test_a_place_that_hangs_stops_neither_sealing_nor_the_others_nor_the_projector_s_end(world: World, witness: Witness, folder: Path) -> None:
    with hanging() as address, leader(world, Deposits(folder=folder, witnesses=((witness.vkey, address),))) as leading:
        reader, stop = PersonalReader(world.app.keyring.open, world.app.keyring.prefetch), threading.Event()
        depositing = Depositing(leading.app.settings, leading.app.services, leading.app.dsn, replace(QUICK, patience=0.0))
        projector = Projector(
            leading.app.dsn, lambda: reader, sealing=Sealing(leading.app.settings, leading.app.services, depositing), depositing=depositing
        )
        thread = threading.Thread(target=projector.run, args=(stop,), daemon=True)
        thread.start()
        try:
            until(lambda: leading.sizes()[0] > 0)
            (first, _) = leading.sizes()
            world.client_id()
            until(lambda: leading.sizes()[0] > first)
            assert leading.sizes()[1] == 0
        finally:
            stop.set()
            thread.join(PATIENCE)
        assert not thread.is_alive()
        (left,) = [each for each in threading.enumerate() if each.name.startswith("deposits: witness")]
    left.join(PATIENCE)
    assert not left.is_alive()


def test_a_place_that_fails_is_told_and_stops_no_signing_until_it_works_again(world: World, folder: Path) -> None:
    folder.rmdir()
    with leader(world, Deposits(folder=folder)) as leading, leading.term() as goes_on_until:
        goes_on_until(lambda: leading.places()[0].failures > 2)
        first = leading.newest().size
        world.client_id()
        goes_on_until(lambda: leading.newest().size > first)
        (warning,) = [said for said in leading.app.status().warnings if "deposited" in said]
        assert str(folder) not in warning
        assert warning.startswith("Checkpoints have not been deposited with deposited (folder) since 20")
        assert leading.app.status().ready
        gauges = store_gauges(lambda: leading.app.dsn, leading.app.settings)
        assert gauges["ledger_place_failing_seconds", "folder", "deposited"] > 0
        assert ("ledger_place_age_seconds", "folder", "deposited") not in gauges
        folder.mkdir()
        goes_on_until(lambda: leading.sizes() == [leading.newest().size] or leading.sizes() > [0])
        until(lambda: leading.places()[0].failing_since is None)
        assert not [said for said in leading.app.status().warnings if "deposited" in said]


def test_what_can_not_be_kept_is_not_told_and_is_the_place_s_trouble(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep, broken = record.keep, threading.Event()
    broken.set()

    def unkept(connection: Any, origin: str, kind: Kind, place: str, size: int, root: bytes, receipt: Receipt) -> None:
        keep(connection, origin, kind, place, size, root, replace(receipt, told="\x00") if broken.is_set() else receipt)

    monkeypatch.setattr("infrastructure.ledger.deposits.worker.record.keep", unkept)
    with leader(world, Deposits(folder=folder)) as leading, leading.term() as goes_on_until:
        goes_on_until(lambda: leading.places()[0].failures > 2)
        assert leading.places()[0].why == "It failed in a way that was not foreseen (DataError): see the projector's log."
        assert "ledger.checkpoint_deposited" not in topics(world)
        broken.clear()
        goes_on_until(lambda: leading.sizes() > [0] and leading.places()[0].failing_since is None)
        assert topics(world).count("ledger.checkpoint_deposited") == 1


# ---- a database that was set back


@pytest.mark.parametrize("kind", ["folder", "git"])
def test_a_log_that_finds_another_one_of_its_name_says_so_and_goes_on(
    world: World, folder: Path, kind: Kind, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where a data folder was made anew: the name is the same, the key is not."""
    if kind == "git":
        subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    deposits = Deposits(git=str(folder)) if kind == "git" else Deposits(folder=folder)
    other = Log(world.app.settings.ledger_origin).of_another_key()
    (place,) = configured(deposits)
    place.deposit(other.at(200), 0)
    with leader(world, deposits) as leading, leading.term() as goes_on_until:
        goes_on_until(lambda: leading.sizes() > [0])
        (state,) = leading.places()
        assert (state.failing_since, state.stops_signing) == (None, False)
        assert state.another_log is not None
        assert state.another_log.startswith("Another log of this name stands there, too: 200 entries, signed by no key that this server knows.")
        warnings = readiness(leading.app.dsn, leading.app.services, leading.app.settings).warnings
        assert [words for words in warnings if state.another_log in words]
        world.client_id()
        (before,) = leading.sizes()
        goes_on_until(lambda: leading.sizes() > [before])
        assert leading.places()[0].another_log == state.another_log, "it stands there still"
    assert capsys.readouterr().out.count("ledger.another_log") == 1


def test_an_earlier_key_s_checkpoints_of_this_very_log_are_no_other_log(world: World, folder: Path) -> None:
    deposits = Deposits(folder=folder)
    with leader(world, deposits) as leading, leading.term() as goes_on_until:
        goes_on_until(lambda: leading.sizes() > [0])
    rotated = replace(world.app.settings, ledger_key=(bytes(32),))
    assert rotated.ledger_key != world.app.settings.ledger_key
    with leader(replace(world, app=replace(world.app, settings=rotated)), deposits) as leading, leading.term() as goes_on_until:
        world.client_id()
        (before,) = leading.sizes()
        goes_on_until(lambda: leading.sizes() > [before])
        assert leading.places()[0].another_log is None


def places_of(kind: Kind, folder: Path, witness: Witness) -> Deposits:
    if kind == "witness":
        return Deposits(witnesses=((witness.vkey, witness.url),))
    return Deposits(folder=folder) if kind == "folder" else Deposits(git=str(folder))


@pytest.mark.foreign
@pytest.mark.parametrize("kind", ["folder", "git", "witness"])
def test_a_set_back_database_is_not_signed_where_a_place_shows_it_and_the_adoption_tells_of_it(
    world: World, kind: Kind, folder: Path, witness: Witness
) -> None:
    if kind == "git":
        subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    log = next(each for each in LOGS if each.endswith(kind))
    deposits = places_of(kind, folder, witness)
    with leader(world, deposits, log) as leading:
        with leading.term() as goes_on_until:
            goes_on_until(lambda: leading.sizes() > [0] and leading.newest().size > leading.sizes()[0])
            good = leading.newest().size
            world.client_id()
            goes_on_until(lambda: leading.sizes() > [good])
            (deposited,) = leading.sizes()
        as_superuser(world, *SET_BACK, size=good)
        world.client_id()
    with leader(world, deposits) as leading:
        with leading.term() as goes_on_until:
            goes_on_until(lambda: refusal(leading.connection))
            goes_on_until(lambda: topics(world)[-1] == "ledger.sealer_stopped")
            assert leading.newest().size == good, "not one checkpoint was signed before the place was asked"
            said = refusal(leading.connection) or ""
            assert f"{deposited} entries" in said
            assert "`grantbook ledger adopt` does either" in said
            assert leading.places()[0].stops_signing
            assert store_gauges(lambda: leading.app.dsn, leading.app.settings)["ledger_refused",] == 1
        world.app.store.close()
        found = adoption.examine(leading.app, leading.connection)
        assert [(each.size, each.origin) for _, each in found.differing] == [(deposited, log)]
        last = found.positioned + found.unpositioned
    if kind == "witness":
        adopted_and_signed_again(world, deposits, good, max(0, deposited - last))


def adopted_and_signed_again(world: World, deposits: Deposits, good: int, lost: int) -> None:
    with leader(world, deposits) as leading:
        leading.app.store.close()
        log = name_of(leading.app.settings, leading.connection)
        done = adoption.adopt(leading.app, leading.connection, CLI, end_all=True)
        assert (done.facts["log"], done.facts["size"], done.facts["lost"]) == (f"{log}/2", good, lost)
        assert leading.places()[0].failing_since is None
    with leader(world, Deposits()) as leading, leading.term() as goes_on_until:
        goes_on_until(lambda: "ledger.sealer_started" in topics(world))
        assert refusal(leading.connection) is None


def test_what_the_database_itself_says_was_deposited_is_not_signed_over(world: World, folder: Path) -> None:
    with leader(world, Deposits(folder=folder)) as leading:
        with leading.term() as goes_on_until:
            goes_on_until(lambda: leading.sizes() > [0])
        as_superuser(world, "DELETE FROM ledger_checkpoints")
    with leader(world, Deposits()) as leading, leading.term() as goes_on_until:
        goes_on_until(lambda: refusal(leading.connection))
        assert "that was deposited (deposited) has" in (refusal(leading.connection) or "")


# ---- stopped and started


def test_a_leader_that_finds_events_unsigned_for_long_says_so_and_one_that_was_only_restarted_does_not(world: World) -> None:
    with leader(world, Deposits()) as leading:
        with leading.term() as goes_on_until:
            goes_on_until(lambda: newest(leading.app.settings, leading.connection))
        world.client_id()
        before = leading.newest().size
        with leading.term() as goes_on_until:
            goes_on_until(lambda: leading.newest().size > before)
        assert "ledger.sealer_started" not in topics(world)
        as_superuser(world, *(f"UPDATE {table} SET at = at - interval '5 minutes'" for table in ("ledger_checkpoints", "positions")))
        world.later(minutes=-3)
        world.client_id()
        with leading.term() as goes_on_until:
            goes_on_until(lambda: "ledger.sealer_started" in topics(world))
