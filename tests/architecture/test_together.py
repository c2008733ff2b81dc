"""Tests that share a demo stay side by side, and none is lost or run twice, however many processes there are."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

from tests.support.together import TOGETHER, kept_together

FOLDERS = [folder for folders in TOGETHER for folder in folders]
TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("processes", [1, 2, 4, 7])
def test_the_tests_of_these_folders_begin_the_shares_of_their_processes(processes: int, request: pytest.FixtureRequest) -> None:
    class Shuffled(pytest.Item):
        def runtest(self) -> None:
            raise NotImplementedError

    def made(number: int) -> pytest.Item:
        path = TESTS / (FOLDERS[number % 30] if number % 30 < len(FOLDERS) else "web") / "test_it.py"
        parent = pytest.Dir.from_parent(request.session, path=path.parent)
        return Shuffled.from_parent(parent, name=f"test_{number}")

    items = [made(number) for number in range(103)]
    arranged = kept_together(items, processes)
    assert sorted(map(id, arranged)) == sorted(map(id, items))
    order = [folder for folder, _ in groupby(item.path.name for item in arranged)]
    assert [order.count(folder) for folder in FOLDERS] == [1] * len(FOLDERS)
    if processes > 1:
        assert arranged[0].path.name == FOLDERS[0]
        assert arranged[len(items) // processes].path.name == TOGETHER[1][0]
