from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infrastructure.ledger.deposits.folder import Folder
from infrastructure.ledger.deposits.places import PlaceAhead, PlaceFailed
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.verifier import Checkpoint, open_checkpoint
from tests.infrastructure.ledger.deposits.given import Log


@pytest.fixture
def log() -> Log:
    return Log("auth.example.com/ledger")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "audit"
    path.mkdir()
    return path


def files(folder: Path) -> dict[str, str]:
    """All of them below it, hidden ones too."""
    return {path.name: path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}


def test_each_checkpoint_is_a_file_and_the_newest_is_the_last_by_name(folder: Path, log: Log) -> None:
    place = Folder(folder)
    assert place.holds(log.signer) is None
    receipts = [place.deposit(log.at(size), last).told for size, last in ((9, 0), (10, 9), (110, 10))]
    assert receipts[0] == "auth.example.com%2Fledger/000000000009.checkpoint"
    assert [log.at(size).note for size in (9, 10, 110)] == [(folder / receipt).read_text(encoding="utf-8") for receipt in receipts]
    assert max(files(folder)) == "000000000110.checkpoint"
    newest = place.holds(log.signer)
    assert newest is not None
    assert (newest.size, newest.root, newest.note) == (110, log.at(110).root, log.at(110).note)
    assert place.name == "audit"


def test_the_same_checkpoint_again_touches_nothing(folder: Path, log: Log) -> None:
    place = Folder(folder)
    receipt = place.deposit(log.at(9), 0)
    before = (folder / receipt.kept).stat()
    assert place.deposit(log.at(9), 0) == receipt
    after = (folder / receipt.kept).stat()
    assert (before.st_ino, before.st_mtime_ns, len(files(folder))) == (after.st_ino, after.st_mtime_ns, 1)


def test_a_log_that_was_set_back_or_rewritten_is_not_deposited_over_what_is_there(folder: Path, log: Log) -> None:
    place = Folder(folder)
    place.deposit(log.at(20), 0)
    before = files(folder)
    with pytest.raises(PlaceAhead, match=r"a checkpoint of 20 entries, this database was signed up to 12: it was set back") as back:
        place.deposit(log.at(12), 0)
    assert back.value.size == 20
    for size in (20, 30):
        with pytest.raises(PlaceAhead, match=r"which are not the first 20 of this database"):
            place.deposit(log.another("changed", after=15).at(size), 0)
    assert files(folder) == before
    place.deposit(log.another("not yet", after=20).at(30), 0)


def test_logs_of_other_names_and_files_of_others_don_t_count(folder: Path, log: Log) -> None:
    place, other = Folder(folder), Log("auth.example.com/ledger/2")
    place.deposit(other.at(50), 0)
    place.deposit(log.at(9), 0)
    inside = folder / "auth.example.com%2Fledger"
    (inside / "000000000099.checkpoint").write_bytes(b"\xff\x00 not ours")
    (inside / "000000000098.checkpoint").write_text(LogSigner(log.signer.origin, (bytes(32),)).checkpoint(98, bytes(32)), encoding="utf-8")
    (inside / "notes.txt").write_text("hello", encoding="utf-8")
    newest = place.holds(log.signer)
    assert newest is not None
    assert newest.size == 9
    with pytest.raises(PlaceFailed, match=r"is no checkpoint of this log: move it away"):
        place.deposit(log.at(99), 9)
    assert (inside / "000000000099.checkpoint").read_bytes() == b"\xff\x00 not ours"
    place.deposit(log.at(100), 9)


def test_what_is_no_file_is_no_checkpoint_and_is_not_waited_for(folder: Path, log: Log) -> None:
    place = Folder(folder)
    inside = (folder / place.deposit(log.at(9), 0).kept).parent
    os.mkfifo(inside / "000000000098.checkpoint")
    (inside / "000000000097.checkpoint").mkdir()
    found: list[Checkpoint | None] = []
    asking = threading.Thread(target=lambda: found.append(place.holds(log.signer)), daemon=True)
    asking.start()
    asking.join(30)
    assert [each.size for each in found if each] == [9]
    place.deposit(log.at(10), 9)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that fills up: what is written beyond it is an error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_amid_a_file_leaves_none(folder: Path, log: Log) -> None:
    place = Folder(folder)
    place.deposit(log.at(9), 0)
    with files_of_at_most(100), pytest.raises(PlaceFailed, match=r"It can't be read or written \(File too large\): see its rights and its space"):
        place.deposit(log.at(10), 9)
    assert list(files(folder)) == ["000000000009.checkpoint"]
    assert len(log.at(10).note) > 100
    place.deposit(log.at(10), 9)


def test_a_file_that_could_not_be_put_in_place_is_no_file(folder: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the program is killed between writing and naming."""

    def broken(self: Path, target: Path) -> None:
        assert target.read_text(encoding="utf-8") == log.at(9).note
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "hardlink_to", broken)
    with pytest.raises(KeyboardInterrupt):
        Folder(folder).deposit(log.at(9), 0)
    assert Folder(folder).holds(log.signer) is None
    assert files(folder) == {}


def test_a_disk_that_knows_no_second_names_takes_it_as_well(folder: Path, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", unknown)
    place = Folder(folder)
    place.deposit(log.at(9), 0)
    assert list(files(folder)) == ["000000000009.checkpoint"]
    (folder / "auth.example.com%2Fledger" / "000000000010.checkpoint").touch()
    with pytest.raises(PlaceFailed, match=r"move it away"):
        place.deposit(log.at(10), 9)


def test_a_folder_that_is_away_or_may_not_be_written_to_is_said_so(tmp_path: Path, log: Log) -> None:
    away = Folder(tmp_path / "away")
    for call in (lambda: away.holds(log.signer), lambda: away.deposit(log.at(9), 0)):
        with pytest.raises(PlaceFailed, match=r"There is no such folder: make it, or mount what belongs there\.") as why:
            call()
        assert str(tmp_path) not in str(why.value)
    assert not (tmp_path / "away").exists()
    with pytest.raises(PlaceFailed, match=r"It can't be read or written \(.+\): see its rights and its space\."):
        Folder(Path("/sys/kernel")).deposit(log.at(9), 0)


def test_checkpoints_of_another_log_of_the_same_name_are_seen(folder: Path, log: Log) -> None:
    place, other = Folder(folder), log.of_another_key()
    assert place.others(log.signer) == []
    for size in (9, 30):
        place.deposit(other.at(size), 0)
    (folder / "auth.example.com%2Fledger" / f"{31:012d}.checkpoint").write_text("no checkpoint", encoding="utf-8")
    place.deposit(log.at(20), 0)
    assert place.holds(log.signer) == open_checkpoint(log.at(20).note, log.signer.vkeys[0])
    assert [(each.size, each.root) for each in place.others(log.signer)] == [(30, other.at(30).root), (9, other.at(9).root)]
    assert [each.size for each in place.others(other.signer)] == [20]
    assert place.others(Log("auth.example.com/ledger/2").signer) == []


def test_a_checkpoint_of_another_log_of_the_same_size_is_no_obstacle(folder: Path, log: Log) -> None:
    """As where a server begins anew: it records as many events at first as the one before."""
    place, other = Folder(folder), log.of_another_key()
    theirs = place.deposit(other.at(9), 0)
    ours = place.deposit(log.at(9), 0)
    assert ours.told.startswith("auth.example.com%2Fledger/000000000009.")
    assert [(folder / each.kept).read_text(encoding="utf-8") for each in (theirs, ours)] == [other.at(9).note, log.at(9).note]
    assert place.deposit(log.at(9), 0) == ours, "it is known there"
    newest = place.holds(log.signer)
    assert newest is not None
    assert (newest.size, newest.root) == (9, log.at(9).root)
    assert [each.root for each in place.others(log.signer)] == [other.at(9).root]
