"""A running demo for each file of fault tests: they hurt it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.demo import Demo, running_demo
from tests.support.inside import Inside, inside


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture(scope="module")
def store(demo: Demo) -> Iterator[Inside]:
    with inside(demo) as opened:
        yield opened
