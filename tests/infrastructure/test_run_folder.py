from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from infrastructure.run_folder import VARIABLE, Draining, RunFolder
from tests.architecture.source import ROOT


@pytest.fixture(autouse=True)
def _of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_every_process_sees_at_once_that_the_server_is_about_to_end() -> None:
    with RunFolder.made() as folder:
        draining = Draining()
        assert not draining()
        draining.follow(folder)
        assert not draining()
        folder.drain()
        assert draining()
        assert folder.is_draining()


def test_a_child_finds_the_folder_of_its_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert RunFolder.ours() is None
    with RunFolder.made() as folder:
        monkeypatch.setenv(VARIABLE, str(folder.path))
        ours = RunFolder.ours()
        assert ours is not None
        assert ours.counts == folder.counts


def test_the_folder_is_gone_at_the_end_and_one_of_a_killed_server_at_the_next_start(tmp_path: Path) -> None:
    code = f"""if True:
        import os, tempfile
        tempfile.tempdir = {str(tmp_path)!r}
        from infrastructure.run_folder import RunFolder
        with RunFolder.made():
            os._exit(1)
    """
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    (left_over,) = tmp_path.iterdir()
    with RunFolder.made() as folder:
        assert list(tmp_path.iterdir()) == [folder.path]
        with RunFolder.made() as other:
            assert set(tmp_path.iterdir()) == {folder.path, other.path}
    assert left_over not in tmp_path.iterdir()
    assert list(tmp_path.iterdir()) == []
