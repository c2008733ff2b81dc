"""Starts the embedded PostgreSQL for tests: here or in a process of its own, as root or as an ordinary user."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from infrastructure.embedded import EmbeddedPostgres
from tests.support.postgres import reachable_temp_dir

REPOSITORY = Path(__file__).parents[2]
SETTINGS = {"fsync": "off", "shared_buffers": "16MB"}
IS_ROOT = os.geteuid() == 0


PATHS = {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(Path(psycopg.__file__).parents[1])])}


@cache
def python_for(user: str) -> str | None:
    """A Python of our version that `user` may run on this checkout: the virtual environment's may lie in root's home."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with contextlib.suppress(OSError):
            if subprocess.run([python, "-c", "import tests.support, psycopg"], cwd="/", env=PATHS, user=user, check=False).returncode == 0:
                return python
    return None


# As root the same tests run once more as an ordinary user, where that user may enter the checkout.
USERS = [None, "nobody"] if IS_ROOT and python_for("nobody") else [None]
ORDINARY_USERS = [user for user in USERS if user or not IS_ROOT]


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """An empty folder that every user may pass through and that ends with the servers in it."""
    made = reachable_temp_dir("grantbook-embedded") / f"t{os.getpid()}-{time.monotonic_ns()}"
    made.mkdir()
    made.chmod(0o777)
    try:
        yield made
    finally:
        for pid_file in made.rglob("postmaster.pid"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(pid_file.read_text().split("\n")[0]), signal.SIGQUIT)
        shutil.rmtree(made, ignore_errors=True)


def embedded_in(folder: Path, name: str = "data") -> EmbeddedPostgres:
    return EmbeddedPostgres(folder / name, settings=SETTINGS, state_dir=folder / "state")


def start_driver(folder: Path, data_dir: Path, user: str | None = None) -> subprocess.Popen[str]:
    switch: dict[str, Any] = {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    python = sys.executable if user is None else python_for(user)
    return subprocess.Popen(
        [python or "", "-m", "tests.support.embedded_driver", str(data_dir), str(folder / "state")],
        cwd="/",
        env=PATHS,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **switch,
    )


def dsn_of(driver: subprocess.Popen[str]) -> str:
    assert driver.stdout
    return driver.stdout.readline().strip()


def end_driver(driver: subprocess.Popen[str], expected: int = 0) -> str:
    _, complaint = driver.communicate(timeout=60)
    assert driver.returncode == expected, complaint
    return complaint


def one_value(dsn: str, query: str) -> Any:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def server_pid(postgres_dir: Path) -> int:
    return int((postgres_dir / "postmaster.pid").read_text().split("\n")[0])


def socket_dir_of(postgres: EmbeddedPostgres) -> Path:
    return Path(str(conninfo_to_dict(postgres.web_dsn)["host"]))
