from __future__ import annotations

import errno
import json
import subprocess
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from infrastructure.ledger.verifier import check_proof
from tests.web.cli.conftest import COMMAND, Grantbook
from web.cli.root import cli

PATIENCE = 60.0


@pytest.fixture(scope="module")
def signed(grantbook: Grantbook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grantbook]:
    """The store once a projector has signed what is in it; it deposits in a folder."""
    assert "Nothing has been signed yet" in grantbook.refused("ledger", "checkpoint")
    assert "No place is set" in grantbook.run("ledger", "deposits").stdout
    place = {"GRANTBOOK_LEDGER_DEPOSIT_FOLDER": str(tmp_path_factory.mktemp("deposited")), "GRANTBOOK_LEDGER_DEPOSIT_SECONDS": "1"}
    depositing = replace(grantbook, environment={**grantbook.environment, **place})
    projector = subprocess.Popen([*COMMAND, "projector"], cwd=grantbook.folder, env=depositing.environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while grantbook.run("ledger", "checkpoint").returncode != 0:
            assert time.monotonic() < deadline
        yield depositing
    finally:
        projector.terminate()
        projector.wait(PATIENCE)


def test_an_export_is_checked_offline_by_the_same_command(signed: Grantbook, tmp_path: Path) -> None:
    vkey, bundle = signed("ledger", "checkpoint", "--key")["vkey"], tmp_path / "all.zip"
    written = signed("ledger", "export", "-o", str(bundle))
    alone = Grantbook({k: v for k, v in signed.environment.items() if not k.startswith("GRANTBOOK_")}, tmp_path)
    found = alone("ledger", "verify", str(bundle), "--vkey", vkey)
    assert found["events"] == written["events"]
    assert found["complete_to"] is not None
    (tmp_path / "vkey.txt").write_text(vkey, encoding="utf-8")
    assert alone("ledger", "verify", str(bundle), "--vkey", "vkey.txt") == found
    broken = tmp_path / "broken.zip"
    broken.write_bytes(bundle.read_bytes()[:-40])
    assert "Not proven: The file is damaged" in alone.refused("ledger", "verify", str(broken), "--vkey", vkey)
    assert "--vkey is needed" in alone.refused("ledger", "verify", str(bundle), code=2)
    assert "go with FILE" in signed.refused("ledger", "verify", "--vkey", vkey, code=2)


def test_a_kept_checkpoint_holds_the_next_export_to_it(signed: Grantbook, tmp_path: Path) -> None:
    vkey, bundle, kept = signed("ledger", "checkpoint", "--key")["vkey"], tmp_path / "all.zip", tmp_path / "kept"
    kept.write_text(signed("ledger", "checkpoint")["note"], encoding="utf-8")
    signed("project", "add", f"Project {tmp_path.name}")
    signed("ledger", "export", "-o", str(bundle))
    assert signed("ledger", "verify", str(bundle), "--vkey", vkey, "--since", str(kept))["events"] > 0


def test_a_deposit_is_told_and_written_for_an_auditor(signed: Grantbook, tmp_path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while (found := signed("ledger", "deposits")[0])["size"] is None:
        assert time.monotonic() < deadline, found
    folder = Path(signed.environment["GRANTBOOK_LEDGER_DEPOSIT_FOLDER"])
    assert (found["kind"], found["name"], found["why"]) == ("folder", folder.name, None)
    written = signed("ledger", "deposits", "-o", str(tmp_path), "--size", str(found["size"]))
    assert written["files"] == [f"{found['size']}.checkpoint"]
    note = (tmp_path / written["files"][0]).read_text(encoding="utf-8")
    assert note in [path.read_text(encoding="utf-8") for path in folder.rglob("*.checkpoint")]
    (foreign := tmp_path / "foreign").mkdir()
    (foreign / written["files"][0]).write_text("kept", encoding="utf-8")
    assert "not of this log" in signed.refused("ledger", "deposits", "-o", str(foreign), "--size", str(found["size"]))
    assert "No such checkpoint was deposited" in signed.refused("ledger", "deposits", "-o", str(tmp_path), "--size", "999999")
    assert "--size goes with -o" in signed.refused("ledger", "deposits", "--size", "3", code=2)
    for command in (("checkpoint",), ("export", "-o", str(tmp_path / "x.zip"))):
        assert "No witness has cosigned a checkpoint yet" in signed.refused("ledger", *command, "--witnessed")


def test_an_answer_is_proved_by_the_events_that_it_cites(signed: Grantbook, tmp_path: Path) -> None:
    vkey, path = signed("ledger", "checkpoint", "--key")["vkey"], tmp_path / "answer.zip"
    assert f"Wrote {path}: the answer and 1 event with proof" in signed.run("ask", "kept", "--proof", str(path)).stdout
    for command in (("ask", "kept", "--proof"), ("ledger", "export", "-o")):
        assert "can't be read or written (No such file or directory)" in signed.refused(*command, str(tmp_path / "nowhere" / "x.zip"))
        assert "/dev/full can't be read or written (No space left on device)" in signed.refused(*command, "/dev/full")
    (lonely := tmp_path / "lonely.jsonl").write_text("{}\n", encoding="utf-8")
    told = signed.refused("audit", "check", str(lonely), "--vkey", vkey, code=2)
    assert "There is no lonely.jsonl.manifest.json beside it: name its manifest with --manifest." in told
    assert "unpack it" in signed.refused("audit", "check", str(path), "--vkey", vkey)
    with zipfile.ZipFile(path) as bundle:
        answer = json.loads(bundle.read("answer.json"))
        cited = {position for line in answer["lines"] for positions in line["because"].values() for position in positions}
        assert cited == {1}
        for position in cited:
            leaf, proof = bundle.read(f"events/{position}.leaf"), bundle.read(f"events/{position}.tlog-proof").decode()
            assert check_proof(leaf, proof, vkey)[0] == position - 1


def test_events_are_proved_one_by_one(signed: Grantbook, tmp_path: Path) -> None:
    vkey = signed("ledger", "checkpoint", "--key")["vkey"]
    signed("ledger", "prove", "1", "3", "-o", str(tmp_path))
    for position in (1, 3):
        leaf, proof = (tmp_path / f"{position}.leaf").read_bytes(), (tmp_path / f"{position}.tlog-proof").read_text(encoding="utf-8")
        assert check_proof(leaf, proof, vkey)[0] == position - 1
    assert "no event 99999" in signed.refused("ledger", "prove", "99999", "-o", str(tmp_path))
    assert signed("ledger", "prove", "1", "-o", str(tmp_path))["files"] == ["1.leaf", "1.tlog-proof"]
    other = tmp_path / "other"
    other.mkdir()
    for name, size in (("3.leaf", 4), ("3.tlog-proof", 5)):
        (other / name).write_bytes(b"kept" * size)
        told = signed.refused("ledger", "prove", "1", "3", "-o", str(other))
        assert f"{name} is there already, and not of this log" in told
        assert [path.read_bytes() for path in other.iterdir()] == [b"kept" * size], "nothing was written, nothing replaced"
        (other / name).unlink()


def test_an_export_that_breaks_off_leaves_the_one_before(signed: Grantbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "all.zip"
    path.write_bytes(b"the one before")
    monkeypatch.chdir(signed.folder)
    monkeypatch.setattr("infrastructure.ledger.bundle._write_entries", Mock(side_effect=OSError(errno.ENOSPC, "No space left on device", None)))
    done = CliRunner(env=signed.environment).invoke(cli, ["ledger", "export", "-o", str(path)])
    assert isinstance(done.exception, OSError)
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"the one before"]


def test_the_live_store_is_checked_with_what_was_signed(signed: Grantbook) -> None:
    assert signed("ledger", "verify")["findings"] == []
    assert "recorded and signed" in signed.run("ledger", "verify").stdout


def test_the_verifier_is_written_for_auditors(signed: Grantbook, tmp_path: Path) -> None:
    said = signed.run("ledger", "verifier", "-o", str(tmp_path / "verifier.py"))
    assert (said.returncode, f"Wrote the verifier to {tmp_path / 'verifier.py'}" in said.stdout) == (0, True)
    assert "all that an auditor has to read" in (tmp_path / "verifier.py").read_text(encoding="utf-8")


def test_an_export_is_checked_against_its_signed_manifest(signed: Grantbook, tmp_path: Path) -> None:
    vkey, file = signed("ledger", "checkpoint", "--key")["vkey"], tmp_path / "all.jsonl"
    written = signed("audit", "export", "--format", "ocsf", "-o", str(file))
    assert {json.loads(line)["metadata"]["version"] for line in file.read_text(encoding="utf-8").splitlines()} == {"1.8.0"}
    alone = Grantbook({k: v for k, v in signed.environment.items() if not k.startswith("GRANTBOOK_")}, tmp_path)
    said = alone("audit", "check", str(file), "--vkey", vkey)
    assert (said["rows"], said["last_position"], said["kind"], said["export_event"]) == (
        written["rows"],
        written["position"],
        "ocsf",
        written["event"],
    )
    whole, beside = file.read_bytes(), file.with_name("all.jsonl.manifest.json")
    file.write_bytes(whole[:-1])
    assert "it was cut off" in alone.refused("audit", "check", str(file), "--vkey", vkey)
    file.write_bytes(whole[:-2] + b"!\n")
    assert "its hash differs" in alone.refused("audit", "check", str(file), "--vkey", vkey)
    file.write_bytes(whole)
    beside.write_text(beside.read_text(encoding="utf-8").replace('"kind": "ocsf"', '"kind": "csv"'), encoding="utf-8")
    assert "Not proven" in alone.refused("audit", "check", str(file), "--vkey", vkey)


def test_a_range_is_exported_with_the_proof_of_each_event(signed: Grantbook, tmp_path: Path) -> None:
    vkey, path = signed("ledger", "checkpoint", "--key")["vkey"], tmp_path / "some.zip"
    assert "--proofs needs -o" in signed.refused("audit", "export", "--proofs", code=2)
    signed("audit", "export", "--proofs", "--from-position", "2", "--to-position", "4", "-o", str(path))
    with zipfile.ZipFile(path) as bundle:
        entries = [json.loads(line) for line in bundle.read("entries.jsonl").splitlines()]
        positions = {entry["position"] for entry in entries}
        assert positions
        assert positions <= {2, 3, 4}
        for position in positions:
            leaf, proof = bundle.read(f"events/{position}.leaf"), bundle.read(f"events/{position}.tlog-proof").decode()
            assert check_proof(leaf, proof, vkey)[0] == position - 1
        assert json.loads(bundle.read("manifest.json"))["manifest"]["filter"] == {"from_position": "2", "to_position": "4"}
