"""Fixtures that every test may ask for, and what happens where the machine lacks a browser or Node."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import needs
from tests.support.embedded import private_folder
from tests.support.postgres import EMPTY, Database, TestCluster, running_cluster
from tests.support.process_logging import process_logging_kept
from tests.support.quick_http import read_authorities_once
from tests.support.quick_routes import compile_routes_when_needed
from tests.support.stuck import Stuck
from tests.support.together import Together

ENDING_S = 120.0
"""For the fixtures of a test that its timeout has broken off."""


@pytest.fixture(autouse=True)
def _logging_put_back() -> Iterator[None]:
    """What a test does to the process's logging ends with it."""
    with process_logging_kept():
        yield


@pytest.fixture(scope="session")
def cluster() -> Iterator[TestCluster]:
    """The embedded PostgreSQL of this pytest process."""
    with running_cluster() as running:
        yield running


@pytest.fixture
def database(cluster: TestCluster) -> Iterator[Database]:
    """A migrated database for one test; the views' tables are made by what is tested."""
    with cluster.fresh() as fresh:
        yield fresh


@pytest.fixture(scope="module")
def module_database(cluster: TestCluster) -> Iterator[Database]:
    """The same for all tests of one file."""
    with cluster.fresh() as fresh:
        yield fresh


@pytest.fixture
def empty_database(cluster: TestCluster) -> Iterator[Database]:
    """A database without any table."""
    with cluster.fresh(EMPTY) as fresh:
        yield fresh


@pytest.fixture
def embedded_folder() -> Iterator[Path]:
    """An empty folder for a server of the test's own; one that still runs at the end is killed."""
    with private_folder() as folder:
        yield folder


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """More than there are cores: a third of the suite's time is waiting for other processes."""
    return (os.cpu_count() or 1) + 2


def pytest_configure(config: pytest.Config) -> None:
    compile_routes_when_needed()
    read_authorities_once()
    config.pluginmanager.register(Stuck(float(config.getini("timeout")) + ENDING_S))
    config.pluginmanager.register(Together())
    if hasattr(config, "workerinput"):
        atexit.register(os._exit, 0)  # the last of all: to take down what thousands of tests have imported and made takes half a minute
    for marker, meaning in needs.MARKERS.items():
        config.addinivalue_line("markers", f"{marker}: {meaning}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    needs.skip_or_fail(item)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    line = needs.summary(terminalreporter.getreports("skipped"))
    if line:
        terminalreporter.write_line(line)
