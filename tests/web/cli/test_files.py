"""Where a command writes: files, and standard output."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import click
import pytest

from web.cli.commands import run
from web.cli.files import in_one_piece


def test_a_file_of_somebody_elses_that_looks_like_ours_in_the_making_stays(tmp_path: Path) -> None:
    theirs = tmp_path / "log.zip.partial"
    theirs.write_text("theirs")
    for content in ("first", "second"):
        with in_one_piece(tmp_path / "log.zip") as partial:
            partial.write_text(content)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"log.zip": "second", "log.zip.partial": "theirs"}


def test_two_commands_that_write_one_file_each_write_it_whole(tmp_path: Path) -> None:
    with in_one_piece(tmp_path / "log.zip") as one, in_one_piece(tmp_path / "log.zip") as other:
        other.write_text("other")
        one.write_text("one")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["one"]


def test_a_link_may_lead_to_another_file_system(tmp_path: Path) -> None:
    """Which a name can't be moved to: the file is made where it will stand."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "log.zip"
    link.symlink_to(elsewhere / "log.zip")
    with in_one_piece(link) as partial:
        assert partial.parent == elsewhere.resolve()
        partial.write_text("whole")
    assert link.is_symlink()
    assert link.read_text() == "whole"


def test_what_can_t_be_written_is_told_by_the_name_that_was_given(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as refused, in_one_piece(tmp_path / "nowhere" / "log.zip") as partial:
        partial.write_text("")
    assert refused.value.filename == str(tmp_path / "nowhere" / "log.zip")


def test_a_full_disk_is_told_with_the_file_s_name() -> None:
    full = Path("/dev/full")
    with pytest.raises(OSError, match="No space left on device") as refused, in_one_piece(full) as partial:
        partial.write_text("much")
    assert refused.value.filename == str(full)


def test_a_full_disk_behind_standard_output_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["grantbook", "tell"])
    telling = click.Group(commands=[click.Command("tell", callback=lambda: click.echo("much"))])
    with suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit, match=r"^1$"):
            run(telling)
    assert capsys.readouterr().err == "Error: there is no space left where the output goes.\n"
