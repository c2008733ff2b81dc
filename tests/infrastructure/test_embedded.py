"""The embedded PostgreSQL, started for real in odd places, after accidents, as root and as an ordinary user."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from infrastructure import embedded_places
from infrastructure.embedded import EmbeddedError, EmbeddedPostgres, running
from tests.support.postgres import reachable_temp_dir

REPOSITORY = Path(__file__).parents[2]
SETTINGS = {"fsync": "off", "shared_buffers": "16MB"}
IS_ROOT = os.geteuid() == 0


PATHS = {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), sysconfig.get_path("purelib")])}


@cache
def _python_for(user: str) -> str | None:
    """A Python of our version that `user` may run on this checkout: the virtual environment's may lie in root's home."""
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with contextlib.suppress(OSError):
            if subprocess.run([python, "-c", "import tests.support, psycopg"], cwd="/", env=PATHS, user=user, check=False).returncode == 0:
                return python
    return None


# As root the same tests run once more as an ordinary user, where that user may enter the checkout.
USERS = [None, "nobody"] if IS_ROOT and _python_for("nobody") else [None]
needs_ordinary_user = [user for user in USERS if user or not IS_ROOT]


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that every user may pass through and that ends with the servers in it."""
    made = reachable_temp_dir("grantbook-embedded") / f"t{os.getpid()}-{time.monotonic_ns()}"
    made.mkdir()
    made.chmod(0o777)
    yield made
    for pid_file in made.rglob("postmaster.pid"):
        with contextlib.suppress(OSError, ValueError):
            os.kill(int(pid_file.read_text().split("\n")[0]), signal.SIGQUIT)
    shutil.rmtree(made, ignore_errors=True)


def _postgres(folder: Path, name: str = "data") -> EmbeddedPostgres:
    return EmbeddedPostgres(folder / name, settings=SETTINGS, state_dir=folder / "state")


def _driver(folder: Path, data_dir: Path, user: str | None = None) -> subprocess.Popen[str]:
    switch: dict[str, Any] = {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
    python = sys.executable if user is None else _python_for(user)
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


def _dsn_of(driver: subprocess.Popen[str]) -> str:
    assert driver.stdout
    return driver.stdout.readline().strip()


def _end(driver: subprocess.Popen[str], expected: int = 0) -> str:
    _, complaint = driver.communicate(timeout=60)
    assert driver.returncode == expected, complaint
    return complaint


def _one(dsn: str, query: str) -> Any:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def _server_pid(postgres_dir: Path) -> int:
    return int((postgres_dir / "postmaster.pid").read_text().split("\n")[0])


def test_a_fresh_start_gives_an_owner_and_a_web_role_that_are_no_superusers(folder: Path) -> None:
    with _postgres(folder) as postgres:
        for dsn, role in ((postgres.owner_dsn, "grantbook_owner"), (postgres.web_dsn, "grantbook_web")):
            assert _one(dsn, "SELECT current_user || '/' || rolsuper FROM pg_roles WHERE rolname = current_user") == f"{role}/false"
        assert _one(postgres.owner_dsn, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()") == "grantbook_owner"


def test_nobody_is_trusted_and_no_port_is_opened(folder: Path) -> None:
    with _postgres(folder) as postgres:
        assert _one(postgres.superuser_dsn, "SHOW listen_addresses") == ""
        assert _one(postgres.superuser_dsn, "SELECT array_agg(type || ' ' || auth_method) FROM pg_hba_file_rules") == ["local peer"]
        socket_dir = _socket_dir(postgres)
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "data" / "postgres").stat().st_mode) == 0o700


@pytest.mark.parametrize("user", [user for user in USERS if user])
def test_another_user_of_the_machine_can_not_connect_even_when_the_socket_is_open_to_all(folder: Path, user: str) -> None:
    with _postgres(folder) as postgres:
        socket_dir = _socket_dir(postgres)
        socket_dir.chmod(0o777)
        (socket_dir / ".s.PGSQL.5432").chmod(0o777)
        script = "import psycopg, sys; psycopg.connect(sys.argv[1])"
        tried = subprocess.run(
            [_python_for(user) or "", "-c", script, postgres.web_dsn], env=PATHS, user=user, capture_output=True, text=True, cwd="/", check=False
        )
        assert "Peer authentication failed" in tried.stderr


@pytest.mark.parametrize(
    "name",
    ["it's ünïcödé 数据", 'a "b" $HOME `id` \\c', "comma, semicolon; {x} %s%d", "-D new\nline", "long" * 50],
)
@pytest.mark.parametrize("user", USERS)
def test_any_folder_name_works(folder: Path, name: str, user: str | None) -> None:
    driver = _driver(folder, folder / name / "data", user)
    dsn = _dsn_of(driver)
    if user is None:
        assert _one(dsn, "SELECT 1") == 1
    else:
        assert dsn
    _end(driver)


def _socket_dir(postgres: EmbeddedPostgres) -> Path:
    return Path(str(conninfo_to_dict(postgres.web_dsn)["host"]))


def test_a_deep_folder_puts_its_socket_in_a_short_private_one_and_removes_it(folder: Path) -> None:
    deep = "d" * 100 + "/" + "e" * 100
    for _ in range(2):
        with _postgres(folder, deep) as postgres:
            socket_dir = _socket_dir(postgres)
            assert len(str(socket_dir)) < 90
            assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
            assert _one(postgres.web_dsn, "SELECT 1") == 1
        assert not socket_dir.exists()


def test_a_short_socket_folder_that_was_cleared_away_is_made_anew(folder: Path) -> None:
    deep = "d" * 150
    driver = _driver(folder, folder / deep)
    socket_dir = Path(str(conninfo_to_dict(_dsn_of(driver))["host"]))
    os.killpg(driver.pid, signal.SIGKILL)
    _end(driver, -signal.SIGKILL)
    shutil.rmtree(socket_dir)
    with _postgres(folder, deep) as postgres:
        assert _one(postgres.web_dsn, "SELECT 1") == 1


def test_programs_in_a_folder_with_shell_characters_are_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = folder / 'a "b" $c'
    odd.mkdir()
    wheel = embedded_places._wheel()
    for name in (wheel.name, f"{wheel.name}.libs"):
        (odd / name).symlink_to(wheel.parent / name)
    monkeypatch.setattr(embedded_places, "_wheel", lambda: odd / wheel.name)
    with _postgres(folder) as postgres:
        assert _one(postgres.web_dsn, "SELECT 1") == 1
    assert (folder / "data" / "postgres.programs").read_text().startswith(str(folder / "data" / "programs"))


def test_data_outlives_a_stop(folder: Path) -> None:
    with _postgres(folder) as postgres, psycopg.connect(postgres.owner_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (x int)")
    with _postgres(folder) as postgres:
        assert _one(postgres.owner_dsn, "SELECT count(*) FROM kept") == 0


def test_the_last_user_ends_the_server_whoever_started_it(folder: Path) -> None:
    first, second = _postgres(folder), _postgres(folder)
    first.start()
    first.start()
    second.start()
    first.stop()
    first.stop()
    assert _one(second.web_dsn, "SELECT 1") == 1
    second.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(second.web_dsn)


def test_one_command_starts_the_server_and_ends_it(folder: Path) -> None:
    with running(folder / "data") as postgres:
        assert _one(postgres.web_dsn, "SELECT 1") == 1
    assert not (folder / "data" / "postgres" / "postmaster.pid").exists()


def test_a_server_whose_supervisor_was_killed_is_found_and_ended_by_the_next(folder: Path) -> None:
    driver = _driver(folder, folder / "data")
    dsn = _dsn_of(driver)
    pid = _server_pid(folder / "data" / "postgres")
    os.killpg(driver.pid, signal.SIGKILL)
    _end(driver, -signal.SIGKILL)
    assert _one(dsn, "SELECT 1") == 1
    with _postgres(folder) as postgres:
        assert postgres.superuser_dsn == dsn
        assert _server_pid(folder / "data" / "postgres") == pid
    assert not (folder / "data" / "postgres" / "postmaster.pid").exists()


@pytest.mark.parametrize("survivor", ["none", "init"])
def test_a_killed_server_starts_again_with_all_that_was_committed(folder: Path, survivor: str) -> None:
    """`init`: the pid in the left-over file has come round again and belongs to another process, here ourselves."""
    driver = _driver(folder, folder / "data")
    with psycopg.connect(_dsn_of(driver), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS x")
    cluster = folder / "data" / "postgres"
    os.kill(_server_pid(cluster), signal.SIGKILL)
    os.killpg(driver.pid, signal.SIGKILL)
    _end(driver, -signal.SIGKILL)
    if survivor == "init":
        lines = (cluster / "postmaster.pid").read_text().split("\n")
        (cluster / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]))
        (folder / "data" / "run" / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    with _postgres(folder) as postgres:
        assert _one(postgres.superuser_dsn, "SELECT x FROM kept") == 7


def test_a_server_that_died_under_us_is_started_again(folder: Path) -> None:
    with _postgres(folder) as postgres:
        os.kill(_server_pid(folder / "data" / "postgres"), signal.SIGKILL)
        postgres.start()
        assert _one(postgres.web_dsn, "SELECT 1") == 1


def test_starts_that_race_agree_on_one_server(folder: Path) -> None:
    drivers = [_driver(folder, folder / "data") for _ in range(4)]
    dsns = {_dsn_of(driver) for driver in drivers}
    assert len(dsns) == 1
    assert _one(dsns.pop(), "SELECT 1") == 1
    for driver in drivers:
        _end(driver)
    assert not (folder / "data" / "postgres" / "postmaster.pid").exists()


def test_an_interrupted_initdb_is_done_again(folder: Path) -> None:
    half_done = folder / "data" / "postgres.new-0a0b0c0d"
    half_done.mkdir(parents=True)
    (folder / "data").chmod(0o711)
    (half_done / "PG_VERSION").write_text("18\n")
    with _postgres(folder) as postgres:
        assert _one(postgres.web_dsn, "SELECT 1") == 1
    assert not half_done.exists()


def test_lock_files_that_nobody_holds_stop_nobody(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data").chmod(0o711)
    for name in ("postgres.lock", "postgres.users"):
        (folder / "data" / name).write_text("12345\n")
    with _postgres(folder) as postgres:
        assert _one(postgres.web_dsn, "SELECT 1") == 1


def test_the_server_stands_in_a_session_of_its_own_where_ctrl_c_does_not_reach_it(folder: Path) -> None:
    with _postgres(folder):
        assert os.getsid(_server_pid(folder / "data" / "postgres")) != os.getsid(0)


def test_a_data_directory_of_another_version_is_refused_in_one_sentence(folder: Path) -> None:
    with _postgres(folder):
        pass
    (folder / "data" / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 17, and this Grantbook runs PostgreSQL 18: move it away"):
        _postgres(folder).start()


def test_a_folder_that_is_no_database_is_refused(folder: Path) -> None:
    (folder / "data" / "postgres").mkdir(parents=True)
    with pytest.raises(EmbeddedError, match="no PostgreSQL data directory: move it away"):
        _postgres(folder).start()


def test_a_file_in_place_of_the_data_directory_is_refused(folder: Path) -> None:
    (folder / "data").write_text("")
    with pytest.raises(EmbeddedError, match=r"can't be written .* name another one in GRANTBOOK_DATA_DIR"):
        _postgres(folder).start()


@pytest.mark.parametrize("user", needs_ordinary_user)
def test_a_read_only_folder_is_refused_in_one_sentence(folder: Path, user: str | None) -> None:
    (folder / "locked").mkdir()
    (folder / "locked").chmod(0o555)
    complaint = _end(_driver(folder, folder / "locked" / "data", user), 1)
    assert "can't be written (Permission denied): make it writable" in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("user", needs_ordinary_user)
def test_an_ordinary_user_runs_it_privately(folder: Path, user: str | None) -> None:
    driver = _driver(folder, folder / "data", user)
    assert _dsn_of(driver)
    found = (folder / "data" / "postgres").stat()
    assert found.st_uid == (os.geteuid() if user is None else pwd.getpwnam(user).pw_uid)
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700
    _end(driver)


@pytest.mark.parametrize("user", [user for user in USERS if user])
def test_root_uses_the_database_of_an_ordinary_user_as_that_user(folder: Path, user: str) -> None:
    driver = _driver(folder, folder / "data", user)
    assert _dsn_of(driver)
    _end(driver)
    with _postgres(folder) as postgres:
        assert _one(postgres.web_dsn, "SELECT 1") == 1
        assert (folder / "data" / "postgres" / "postmaster.pid").stat().st_uid == pwd.getpwnam(user).pw_uid
    driver = _driver(folder, folder / "data", user)
    assert _dsn_of(driver)
    _end(driver)


@pytest.mark.skipif(not IS_ROOT, reason="only root gives the server a user of its own")
def test_root_keeps_the_cluster_elsewhere_when_the_servers_user_may_not_enter(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for _ in range(2):
        with EmbeddedPostgres(closed / "data", settings=SETTINGS, state_dir=folder / "state") as postgres:
            assert _one(postgres.web_dsn, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    home = Path((closed / "data" / "postgres.path").read_text())
    assert home.parent == folder / "state"
    assert (home / "postgres" / "PG_VERSION").exists()
    shutil.rmtree(home)
    with pytest.raises(EmbeddedError, match="which is gone: restore that folder, or delete"):
        EmbeddedPostgres(closed / "data", state_dir=folder / "state").start()


def test_a_setting_that_the_server_refuses_is_told_in_its_own_words(folder: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"didn't start: .*max_connections"):
        EmbeddedPostgres(folder / "data", settings={"max_connections": "none"}, state_dir=folder / "state").start()


def test_the_log_names_no_values_of_refused_rows(folder: Path) -> None:
    with _postgres(folder) as postgres, psycopg.connect(postgres.owner_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (secret text PRIMARY KEY)")
        for _ in range(2):
            with contextlib.suppress(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO t VALUES ('swordfish')")
    said = "".join(file.read_text() for file in (folder / "data" / "postgres" / "log").iterdir())
    assert "duplicate key" in said
    assert "swordfish" not in said


def test_a_server_without_a_free_connection_is_left_alone(folder: Path) -> None:
    few = {**SETTINGS, "max_connections": "4", "superuser_reserved_connections": "0", "autovacuum": "off"}
    with EmbeddedPostgres(folder / "data", settings=few, state_dir=folder / "state") as postgres:
        pid = _server_pid(folder / "data" / "postgres")
        held = [psycopg.connect(postgres.web_dsn) for _ in range(4)]
        with pytest.raises(EmbeddedError, match="too many clients"):
            _postgres(folder).start()
        assert _server_pid(folder / "data" / "postgres") == pid
        for connection in held:
            connection.close()
