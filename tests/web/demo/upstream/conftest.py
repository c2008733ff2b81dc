"""Fixtures of the demo's resource."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.demo.upstream.harness import Upstream, running


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """A running resource, shared by the tests of one file."""
    with running() as started:
        yield started


@pytest.fixture
def own_upstream() -> Iterator[Upstream]:
    """A running resource for one test, which may end or starve it."""
    with running() as started:
        yield started
