from __future__ import annotations

import importlib

import pytest
from greenlet import greenlet

from bench.profile import INTROSPECT, REFRESH, REGISTER
from bench.stages import Stages


@pytest.mark.parametrize("place", sorted({place for _, place in (*REFRESH, *INTROSPECT, *REGISTER)}))
def test_each_stage_is_where_the_table_says(place: str) -> None:
    module, _, path = place.partition(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    assert callable(found)


def inner() -> int:
    beside = task.parent
    assert beside is not None
    beside.switch()
    return 1


def outer() -> int:
    return inner()


def run() -> int:
    return outer()


task = greenlet(run)


def test_what_gave_way_goes_on_in_its_own_stage() -> None:
    stages = Stages()
    try:
        for label in ("inner", "outer"):
            stages.watch(label, f"{__name__}:{label}")
        task.switch()
        stages.next()
        assert task.switch() == 1
        stages.next()
    finally:
        stages.end()
    assert stages.calls == {"inner": 1, "outer": 1}
    assert [sorted(spent) for spent in stages.requests] == [["inner", "outer", "the loop, the database's answer"]] * 2
