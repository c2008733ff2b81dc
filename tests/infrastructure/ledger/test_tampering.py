"""docs/evidence.md, What is found, and by what: each row of the table is done here, as the owner of the database with its guards switched off."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infrastructure.ledger import live, store
from infrastructure.ledger.bundle import proof_of, write_bundle
from infrastructure.ledger.kept import KeptCheckpoint, SealRefused
from infrastructure.ledger.tree import check_consistency
from infrastructure.ledger.verifier import NotProven, check_bundle, open_checkpoint
from infrastructure.store.sequencer import Sequencer
from infrastructure.store.verify import verify_ledger
from tests.infrastructure.ledger.given import ORIGIN, SIGNER, VKEY, Book, book, new_sealer
from tests.infrastructure.store import given
from tests.support.postgres import Database
from tests.support.witness import foreign, running_witness

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "evidence.md"
GUARDED = ("events", "positions", "ledger_checkpoints", "ledger_nodes")
HASH = r"sha256('\x00'::bytea || convert_to(concat_ws(E'\n', 'gb1', e.originator_id, e.originator_version, e.topic, ''), 'UTF8') || e.state)"
REHASHED = f"""UPDATE positions p SET leaf_hash = {HASH}
FROM events e WHERE (e.originator_id, e.originator_version) = (p.originator_id, p.originator_version)"""
THE_EVENT = "(originator_id, originator_version) = (%(id)s, %(version)s)"
SALT = 'position(\'"salt":"\'::bytea IN state) + 7'
ONE_BYTE = f"UPDATE events SET state = set_byte(state, {SALT}, CASE get_byte(state, {SALT}) WHEN 102 THEN 101 ELSE 102 END) WHERE {THE_EVENT}"
DELETED = f"DELETE FROM events WHERE {THE_EVENT}"
INSERTED = f"""INSERT INTO events (originator_id, originator_version, topic, state, xid, notification_id, account_id) OVERRIDING SYSTEM VALUE
SELECT gen_random_uuid(), 1, topic, state, xid, notification_id, account_id FROM events WHERE {THE_EVENT}"""
PLACED = f"""INSERT INTO positions SELECT %(position)s, account_id, originator_id, originator_version, now(), {HASH} FROM events e
WHERE NOT EXISTS (SELECT FROM positions p WHERE (p.originator_id, p.originator_version) = (e.originator_id, e.originator_version))"""
MOVED_ON = "UPDATE positions SET position = -position - 1 WHERE position >= %(position)s"
BACK = "UPDATE positions SET position = -position WHERE position < 0"
SWAPPED = "UPDATE positions SET position = -(2 * %(position)s + 1 - position) WHERE position IN (%(position)s, %(position)s + 1)"
GIVEN_AWAY = """UPDATE events SET originator_id = CASE originator_id WHEN %(id)s THEN %(other)s ELSE %(id)s END
WHERE originator_id IN (%(id)s, %(other)s)"""
MOVED = f"UPDATE events SET account_id = gen_random_uuid() WHERE {THE_EVENT}"


@pytest.fixture
def ours(database: Database, tmp_path: Path) -> Iterator[Book]:
    with book(database, tmp_path / "ledger") as made:
        made.happens(20)
        made.seal()
        assert findings(made) == []
        yield made


def findings(ours: Book) -> list[str]:
    """What `grantbook ledger verify` says."""
    return [each.message for each in (*verify_ledger(ours.connection), *live.findings(ours.connection, SIGNER))]


def newest(ours: Book) -> store.Signed:
    found = store.newest(ours.connection, ORIGIN)
    assert found is not None
    return found


def as_owner(database: Database, *statements: str, **facts: Any) -> None:
    with psycopg.connect(database.superuser_dsn, autocommit=True) as owner:
        for table in GUARDED:
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
        owner.execute("ALTER TABLE positions DROP CONSTRAINT IF EXISTS positions_position_check")
        owner.execute("ALTER TABLE events DROP CONSTRAINT IF EXISTS events_pkey")
        for sql in statements:
            owner.execute(sql.encode(), facts)


def event_at(ours: Book, position: int) -> dict[str, Any]:
    row = ours.connection.execute("SELECT originator_id, originator_version FROM positions WHERE position = %s", (position,)).fetchone()
    assert row is not None
    return {"id": row[0], "version": row[1], "position": position, "other": ours.world.client}


def named(ours: Book, position: int) -> str:
    event = event_at(ours, position)
    return f"{event['id']}:{event['version']}"


NOT_THE_ROOT = "don't give the root of the checkpoint"


@pytest.mark.parametrize(
    ("row", "statements", "said"),
    [
        ("changes a byte of an event", (ONE_BYTE,), "Event {event} at position 8 is not what was hashed"),
        ("deletes an event", (DELETED,), "Position 8 names event {event}, which is not there."),
        ("inserts an event", (INSERTED,), "is older than the last position, but has none."),
        ("inserts an event", (INSERTED, MOVED_ON, BACK, PLACED), NOT_THE_ROOT),
        ("swaps two events", (SWAPPED, BACK), NOT_THE_ROOT),
        ("gives one stream's events to another", (GIVEN_AWAY,), "Position 8 names event {event}, which is not there."),
        ("gives one stream's events to another", (GIVEN_AWAY, REHASHED), NOT_THE_ROOT),
        ("moves an event to another account", (MOVED,), "Event {event} at position 8 has been moved to another account."),
        ("changes an event and its stored hash", (ONE_BYTE, REHASHED), NOT_THE_ROOT),
    ],
)
def test_verify_names_what_was_done(ours: Book, database: Database, row: str, statements: tuple[str, ...], said: str) -> None:
    assert row in table()
    before = named(ours, 8)
    as_owner(database, *statements, **event_at(ours, 8))
    found = findings(ours)
    assert any(said.replace("{event}", before) in message for message in found), found


def test_what_was_changed_can_be_neither_exported_nor_signed_over(ours: Book, database: Database, tmp_path: Path) -> None:
    as_owner(database, ONE_BYTE, REHASHED, **event_at(ours, 8))
    ours.happens()
    ours.another_term()
    with pytest.raises(SealRefused, match=r"not those of the checkpoint|the past was changed"):
        ours.seal()
    write_bundle(ours.connection, newest(ours), tmp_path / "all.zip", str(ours.world.account))
    with pytest.raises(NotProven, match="don't give the root that was signed"):
        check_bundle(tmp_path / "all.zip", VKEY)


def test_a_log_that_was_cut_is_behind_the_checkpoint_that_is_kept(ours: Book, database: Database, tmp_path: Path) -> None:
    assert "cuts the end off, or brings back an older copy" in table()
    first = newest(ours).size
    ours.happens(5)
    ours.seal()
    auditors = newest(ours).note
    as_owner(
        database,
        f"DELETE FROM ledger_checkpoints WHERE size > {first}",
        f"DELETE FROM positions WHERE position > {first}",
        "DELETE FROM events WHERE (originator_id, originator_version) NOT IN (SELECT originator_id, originator_version FROM positions)",
    )
    assert findings(ours) == [], "nothing inside the database tells it"
    ours.another_term()
    with pytest.raises(SealRefused, match="it was set back"):
        ours.seal()
    write_bundle(ours.connection, newest(ours), tmp_path / "all.zip", str(ours.world.account))
    with pytest.raises(NotProven, match="it was cut or set back"):
        check_bundle(tmp_path / "all.zip", VKEY, auditors)


def test_history_that_was_rewritten_and_signed_anew_does_not_begin_with_the_log_that_was_saved(
    ours: Book, database: Database, tmp_path: Path
) -> None:
    """The operator does all that the database and the real key allow: nothing inside tells it."""
    assert "rewrites history and signs anew, with the real key" in table()
    saved = open_checkpoint(newest(ours).note, VKEY)
    rewritten = rewrite(ours, database, tmp_path)
    assert rewritten.size > saved.size
    bundle = tmp_path / "all.zip"
    write_bundle(ours.connection, rewritten, bundle, str(ours.world.account))
    assert check_bundle(bundle, VKEY).complete_to is not None, "for whoever kept nothing, it holds"
    with pytest.raises(NotProven, match="the past was changed"):
        check_bundle(bundle, VKEY, saved.note)
    proof = store.tree(ours.connection, rewritten.size).consistency(saved.size)
    with pytest.raises(NotProven, match="its past was changed"):
        check_consistency(saved.size, saved.root, rewritten.size, rewritten.root, proof)


def rewrite(ours: Book, database: Database, folder: Path, more: int = 5) -> store.Signed:
    """One byte of event 8 is another, and all is made to fit: hashes, tiles, sums, checkpoints, by a new sealer that remembers nothing."""
    as_owner(
        database,
        ONE_BYTE,
        *(f"DELETE FROM {table}" for table in ("positions", "ledger_checkpoints", "ledger_nodes")),
        "DELETE FROM events WHERE topic = 'ledger.summed'",
        **event_at(ours, 8),
    )
    with given.store_on(database) as fresh:
        ours.sequencer = Sequencer(ours.connection)
        sealer = new_sealer(fresh, ours.world, KeptCheckpoint(folder / "new"))
        while ours.sequencer.sequence():
            pass
        sealer.seal(ours.connection, ours.sequencer.sequence)
        ours.store = fresh
        ours.happens(more)
        sealer.seal(ours.connection, ours.sequencer.sequence)
    assert findings(ours) == [], "nothing inside the database tells it"
    return newest(ours)


@pytest.mark.foreign
def test_a_witness_signs_for_a_log_that_grows_and_for_none_that_was_rewritten_or_cut(ours: Book, database: Database, tmp_path: Path) -> None:
    """A real one, of another maker; what the log signed against itself is kept as evidence."""
    first = newest(ours)
    with running_witness(tmp_path / "witness", ORIGIN, VKEY) as witness:
        assert witness.add_checkpoint(0, [], first.note).status_code == 200
        ours.happens(5)
        ours.seal()
        grown = newest(ours)
        proof = store.tree(ours.connection, grown.size).consistency(first.size)
        signed = witness.add_checkpoint(first.size, proof, grown.note)
        assert signed.status_code == 200
        assert signed.text.startswith("\u2014 witness.example/w1 ")
        cut = witness.add_checkpoint(first.size, [], first.note)
        assert (cut.status_code, cut.text.strip()) == (409, str(grown.size))
        rewritten = rewrite(ours, database, tmp_path, more=12)
        assert rewritten.size > grown.size
        forked = witness.add_checkpoint(grown.size, store.tree(ours.connection, rewritten.size).consistency(grown.size), rewritten.note)
        assert forked.status_code == 422
        assert ORIGIN in witness.evidence()


@pytest.mark.foreign
def test_another_maker_s_verifier_accepts_the_log_and_no_other_bytes(ours: Book, tmp_path: Path) -> None:
    signed = newest(ours)
    (tmp_path / "vkey").write_text(f"{VKEY}\n", encoding="utf-8")
    for name, note, code in (("true", signed.note, 0), ("changed", signed.note.replace(f"\n{signed.size}\n", f"\n{signed.size + 1}\n"), 1)):
        (tmp_path / name).write_text(note, encoding="utf-8")
        assert bool(foreign("aics_tlog", "verify-checkpoint", "--note", name, "--vkey-file", "vkey", folder=tmp_path).returncode) == bool(code)
    leaf, proof = proof_of(ours.connection, signed, 8)
    (tmp_path / "proof").write_text("\n".join(proof.split("\n\n")[0].splitlines()[2:]) + "\n", encoding="utf-8")
    tree = ["--index", "7", "--size", str(signed.size), "--root", base64.b64encode(signed.root).decode(), "--proof", "proof"]
    for name, content, accepted in (("8.leaf", leaf, True), ("other.leaf", leaf[:-1] + b"!", False)):
        (tmp_path / name).write_bytes(content)
        assert (foreign("aics_tlog", "verify-inclusion", "--leaf", name, *tree, folder=tmp_path).returncode == 0) == accepted


def test_an_event_that_is_left_out_of_an_export_is_missed_in_the_account_s_sum(ours: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "leaves an event out of an export" in table()
    entries: Callable[..., Any] = store.entries
    monkeypatch.setattr(store, "entries", lambda *given, **named: (each for each in entries(*given, **named) if each[0] != 8))
    write_bundle(ours.connection, newest(ours), tmp_path / "all.zip", str(ours.world.account))
    with pytest.raises(NotProven, match=r"Up to event [0-9]+ the account has [0-9]+ events, the file has [0-9]+"):
        check_bundle(tmp_path / "all.zip", VKEY)


def table() -> list[str]:
    """What the document says that somebody does."""
    part = DOCUMENT.read_text(encoding="utf-8").partition("## What is found, and by what")[2].partition("\n## ")[0]
    return [row.strip() for row in re.findall(r"^\| ([^|]+) \|", part, re.MULTILINE)[1:]]


def test_every_row_of_the_table_is_done_here_or_where_the_views_are_checked() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    elsewhere = {row for row in table() if row.endswith(" to a view")}
    assert [row for row in table() if f'"{row}"' not in here] == [*elsewhere]
