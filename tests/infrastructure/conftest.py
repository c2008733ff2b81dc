"""Databases as the migrations leave them: what is tested here makes the views' tables itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import Database, TestCluster


@pytest.fixture
def database(migrated_database: Database) -> Database:
    return migrated_database


@pytest.fixture(scope="module")
def module_database(cluster: TestCluster) -> Iterator[Database]:
    with cluster.fresh() as fresh:
        yield fresh
