from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.oauth_world import oauth_world
from tests.support.postgres import Database
from tests.web.mcp.gateway_world import GatewayWorld, Upstream, gateway_world, running_upstream


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    """A process behind the gateway that writes down what it gets."""
    with running_upstream() as running:
        yield running


@pytest.fixture(scope="module")
def shared(module_database: Database, upstream: Upstream) -> Iterator[GatewayWorld]:
    """One world for the tests of a file that leave its people and resources alone."""
    with oauth_world(module_database) as world, gateway_world(world, upstream) as gateway:
        yield gateway


@pytest.fixture
def gateway(database: Database, upstream: Upstream) -> Iterator[GatewayWorld]:
    """A world of one's own."""
    with oauth_world(database) as world, gateway_world(world, upstream) as gateway:
        yield gateway
