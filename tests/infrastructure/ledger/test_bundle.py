from __future__ import annotations

import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from infrastructure.ledger import store, verifier
from infrastructure.ledger.bundle import proof_of, write_bundle
from infrastructure.ledger.evidence import write_evidence
from infrastructure.ledger.verifier import NotProven, check_bundle, check_proof, leaf_hash
from tests.infrastructure.ledger.given import ORIGIN, VKEY, Book, book
from tests.infrastructure.store import given
from tests.support.postgres import Database


@pytest.fixture
def ours(database: Database, tmp_path: Path) -> Iterator[Book]:
    with book(database, tmp_path / "ledger") as made:
        given.world(made.store)
        made.happens(20)
        made.seal()
        yield made


@pytest.fixture
def bundle(ours: Book, tmp_path: Path) -> Path:
    return export(ours, tmp_path / "all.zip")


def newest(ours: Book) -> store.Signed:
    found = store.newest(ours.connection, ORIGIN)
    assert found is not None
    return found


def export(ours: Book, path: Path, after: int = 0) -> Path:
    write_bundle(ours.connection, newest(ours), path, str(ours.world.account), after)
    return path


def changed(bundle: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """The bundle with one file in it rewritten."""
    path = bundle.with_name("changed.zip")
    with zipfile.ZipFile(bundle) as before, zipfile.ZipFile(path, "w") as after:
        for each in before.namelist():
            content = before.read(each)
            after.writestr(each, change(content) if each == name else content)
    return path


def split(raw: bytes) -> list[bytes]:
    entries, at = [], 0
    while at < len(raw):
        (length,) = struct.unpack_from(">H", raw, at + 8)
        entries.append(raw[at : at + 10 + length])
        at += 10 + length
    return entries


def test_an_untouched_bundle_is_complete(ours: Book, bundle: Path) -> None:
    found = check_bundle(bundle, VKEY)
    rows = ours.connection.execute("SELECT count(*) FROM positions WHERE account_id = %s", (ours.world.account,)).fetchone()
    assert rows == (found.entries,)
    assert found.complete_to == newest(ours).size - 2  # both accounts' sums follow


def test_a_part_of_the_past_proves_its_events_and_claims_no_completeness(ours: Book, tmp_path: Path) -> None:
    found = check_bundle(export(ours, tmp_path / "part.zip", after=10), VKEY)
    assert found.complete_to is None
    assert found.entries > 0


def test_an_older_checkpoint_shows_that_nothing_before_it_changed(ours: Book, bundle: Path, tmp_path: Path) -> None:
    kept = newest(ours).note
    ours.happens(5)
    ours.seal()
    later = export(ours, tmp_path / "later.zip")
    assert check_bundle(later, VKEY, kept).checkpoint.size > check_bundle(bundle, VKEY).checkpoint.size
    with pytest.raises(NotProven, match="cut or set back"):
        check_bundle(bundle, VKEY, newest(ours).note)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("entries", lambda raw: raw[:60] + bytes([raw[60] ^ 1]) + raw[61:], "is not what was recorded"),
        ("entries", lambda raw: b"".join(split(raw)[:5] + split(raw)[6:]), "Up to event"),
        ("entries", lambda raw: b"".join([*split(raw)[:3], split(raw)[2], *split(raw)[3:]]), "in their order"),
        ("entries", lambda raw: b"".join([split(raw)[1], split(raw)[0], *split(raw)[2:]]), "in their order"),
        ("entries", lambda raw: b"".join(e for e in split(raw) if b"ledger.summed" not in e), "no sum"),
        ("hashes", lambda raw: raw[:32] + bytes(32) + raw[64:], "don't give the root"),
        ("hashes", lambda raw: raw[:-32], "don't give the root"),
        ("checkpoint", lambda raw: raw.replace(b"auth", b"auph"), "has not signed"),
        ("manifest.json", lambda raw: raw.replace(b"bundle-1", b"bundle-9"), "This is no"),
    ],
)
def test_each_way_to_change_a_bundle_is_found(bundle: Path, name: str, change: Callable[[bytes], bytes], said: str) -> None:
    with pytest.raises(NotProven, match=said):
        check_bundle(changed(bundle, name, change), VKEY)


def test_an_event_of_the_middle_is_proved_by_itself(ours: Book) -> None:
    leaf, proof = proof_of(ours.connection, newest(ours), 7)
    index, checkpoint = check_proof(leaf, proof, VKEY)
    assert (index, checkpoint.size) == (6, newest(ours).size)
    assert leaf_hash(leaf) == store.hashes(ours.connection, 6, 7)[0]
    with pytest.raises(NotProven, match="Entry 6 is not"):
        check_proof(leaf + b" ", proof, VKEY)
    with pytest.raises(NotProven):
        check_proof(leaf, proof.replace("index 6", "index 7"), VKEY)


def test_what_another_account_did_stands_in_no_zip(ours: Book, tmp_path: Path) -> None:
    for account_id, proved in ((str(ours.world.account), ["events/3.leaf", "events/3.tlog-proof"]), (str(uuid4()), [])):
        write_evidence(ours.connection, newest(ours), account_id, [3], {}, tmp_path / "answer.zip")
        with zipfile.ZipFile(tmp_path / "answer.zip") as found:
            assert [name for name in found.namelist() if name.startswith("events/")] == proved


def test_the_verifier_runs_alone_with_nothing_of_ours(ours: Book, bundle: Path, tmp_path: Path) -> None:
    alone = tmp_path / "verifier.py"
    alone.write_bytes(Path(verifier.__file__).read_bytes())

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-I", str(alone), *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)

    said = run("bundle", str(bundle), "--vkey", VKEY)
    assert said.returncode == 0, said.stderr
    assert "Nothing of the account is left out" in said.stdout
    said = run("bundle", str(changed(bundle, "hashes", lambda raw: raw[:-32])), "--vkey", VKEY)
    assert (said.returncode, said.stderr.startswith("NOT PROVEN:")) == (1, True)
    leaf, proof = proof_of(ours.connection, newest(ours), 3)
    (tmp_path / "3.leaf").write_bytes(leaf)
    (tmp_path / "3.tlog-proof").write_text(proof, encoding="utf-8")
    assert "Event 3 is in the log" in run("proof", "3.leaf", "3.tlog-proof", "--vkey", VKEY).stdout
    (tmp_path / "vkey.txt").write_text(f"{VKEY}\n", encoding="utf-8")
    assert run("bundle", str(bundle), "--vkey", "vkey.txt").stdout == run("bundle", str(bundle), "--vkey", VKEY).stdout
    said = run("bundle", str(bundle), "--vkey", "missing.txt")
    assert (said.returncode, "or a file that holds that" in said.stderr) == (1, True)
    assert "usage" in run().stderr


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-40], lambda raw: raw[:2_000] + b"XXXX" + raw[2_004:], lambda _: b"no zip at all", lambda _: b""]
)
def test_a_damaged_file_is_called_damaged(bundle: Path, damage: Callable[[bytes], bytes]) -> None:
    bundle.write_bytes(damage(bundle.read_bytes()))
    with pytest.raises(NotProven, match="The file is damaged, or no export"):
        check_bundle(bundle, VKEY)


def test_a_file_that_lacks_a_part_is_told_which(bundle: Path) -> None:
    with zipfile.ZipFile(bundle, "w") as emptied:
        emptied.writestr("manifest.json", "{}")
    with pytest.raises(NotProven, match=r"a part of it is missing: .*checkpoint"):
        check_bundle(bundle, VKEY)


def test_the_manifest_says_what_is_in_the_bundle(ours: Book, bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as file:
        manifest = json.loads(file.read("manifest.json"))
        assert manifest["account"] == manifest["complete_for_account"] == str(ours.world.account)
        assert "verifier.py bundle" in file.read("README.txt").decode()
