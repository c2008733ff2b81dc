from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.oauth_world import World, oauth_world
from tests.support.postgres import Database


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    """A world of one's own."""
    with oauth_world(database) as world:
        yield world
