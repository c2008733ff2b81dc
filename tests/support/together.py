"""Which tests a process begins with: those that share something that takes long to start, side by side, so that it is started once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TOGETHER = (("browser", "clients"), ("faults",))
"""Folders of tests with a demo of their own; what stands in one pair of brackets is begun by one process, the next by another."""

_TESTS = Path(__file__).resolve().parents[1]


def kept_together(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """The same tests in the same order, but these folders' come first in the share of one process each.

    Each process is given an equal share from the front (xdist's worksteal), and takes over others' tests from the end of their share:
    a folder at its front is never torn apart.
    """
    fronts: list[list[pytest.Item]] = [[] for _ in range(processes)]
    for number, folders in enumerate(TOGETHER):
        for folder in folders:
            fronts[number % processes] += [item for item in items if item.path.is_relative_to(_TESTS / folder)]
    taken = {id(item) for front in fronts for item in front}
    others = [item for item in items if id(item) not in taken]
    arranged: list[pytest.Item] = []
    for left, front in zip(range(processes, 0, -1), fronts, strict=True):
        room = max((len(items) - len(arranged)) // left - len(front), 0)
        arranged += [*front, *others[:room]]
        del others[:room]
    return arranged + others


class Together:
    """Applies it after the order was shuffled, alike in all processes."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = kept_together(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
