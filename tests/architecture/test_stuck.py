"""A test that hangs where no timeout reaches it is reported, and ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.architecture.source import ROOT

HANGING = """
import ctypes, pytest

@pytest.fixture
def held():
    yield
    while True:
        ctypes.CDLL(None).pause()  # Python's handlers of signals don't run in there

def test_ends_late(held):
    assert False
"""
RUN = "import sys, pytest; from tests.support.stuck import Stuck; sys.exit(pytest.main(sys.argv[1:], [Stuck(2.0)]))"


def test_a_test_that_hangs_in_its_fixtures_is_ended_with_what_it_did(tmp_path: Path) -> None:
    (tmp_path / "test_hanging.py").write_text(HANGING)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-c", RUN, "-q", "-p", "no:randomly", "-p", "no:faulthandler", "-c", str(tmp_path / "pytest.ini"), str(tmp_path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert "in held" in ended.stderr
