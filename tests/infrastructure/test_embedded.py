"""The embedded PostgreSQL's life and its accidents, each with a real server."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
from pathlib import Path

import psycopg
import pytest

from infrastructure.embedded import EmbeddedError, EmbeddedPostgres, running
from tests.support.embedded import (
    PATHS,
    SETTINGS,
    USERS,
    dsn_of,
    embedded_in,
    end_driver,
    one_value,
    python_for,
    server_pid,
    socket_dir_of,
    start_driver,
)


def test_a_fresh_start_gives_an_owner_and_a_web_role_that_are_no_superusers(embedded_folder: Path) -> None:
    with embedded_in(embedded_folder) as postgres:
        for dsn, role in ((postgres.owner_dsn, "grantbook_owner"), (postgres.web_dsn, "grantbook_web")):
            assert one_value(dsn, "SELECT current_user || '/' || rolsuper FROM pg_roles WHERE rolname = current_user") == f"{role}/false"
        assert (
            one_value(postgres.owner_dsn, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()") == "grantbook_owner"
        )


def test_nobody_is_trusted_and_no_port_is_opened(embedded_folder: Path) -> None:
    with embedded_in(embedded_folder) as postgres:
        assert one_value(postgres.superuser_dsn, "SHOW listen_addresses") == ""
        assert one_value(postgres.superuser_dsn, "SELECT array_agg(type || ' ' || auth_method) FROM pg_hba_file_rules") == ["local peer"]
        socket_dir = socket_dir_of(postgres)
        assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE((embedded_folder / "data" / "postgres").stat().st_mode) == 0o700


@pytest.mark.parametrize("user", [user for user in USERS if user])
def test_another_user_of_the_machine_can_not_connect_even_when_the_socket_is_open_to_all(embedded_folder: Path, user: str) -> None:
    with embedded_in(embedded_folder) as postgres:
        socket_dir = socket_dir_of(postgres)
        socket_dir.chmod(0o777)
        (socket_dir / ".s.PGSQL.5432").chmod(0o777)
        script = "import psycopg, sys; psycopg.connect(sys.argv[1])"
        tried = subprocess.run(
            [python_for(user) or "", "-c", script, postgres.web_dsn], env=PATHS, user=user, capture_output=True, text=True, cwd="/", check=False
        )
        assert "Peer authentication failed" in tried.stderr


def test_data_outlives_a_stop(embedded_folder: Path) -> None:
    with embedded_in(embedded_folder) as postgres, psycopg.connect(postgres.owner_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (x int)")
    with embedded_in(embedded_folder) as postgres:
        assert one_value(postgres.owner_dsn, "SELECT count(*) FROM kept") == 0


def test_the_last_user_ends_the_server_whoever_started_it(embedded_folder: Path) -> None:
    first, second = embedded_in(embedded_folder), embedded_in(embedded_folder)
    first.start()
    first.start()
    second.start()
    first.stop()
    first.stop()
    assert one_value(second.web_dsn, "SELECT 1") == 1
    second.stop()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(second.web_dsn)


def test_one_command_starts_the_server_and_ends_it(embedded_folder: Path) -> None:
    with running(embedded_folder / "data") as postgres:
        assert one_value(postgres.web_dsn, "SELECT 1") == 1
    assert not (embedded_folder / "data" / "postgres" / "postmaster.pid").exists()


def test_a_server_whose_supervisor_was_killed_is_found_and_ended_by_the_next(embedded_folder: Path) -> None:
    driver = start_driver(embedded_folder, embedded_folder / "data")
    dsn = dsn_of(driver)
    pid = server_pid(embedded_folder / "data" / "postgres")
    os.killpg(driver.pid, signal.SIGKILL)
    end_driver(driver, -signal.SIGKILL)
    assert one_value(dsn, "SELECT 1") == 1
    with embedded_in(embedded_folder) as postgres:
        assert postgres.superuser_dsn == dsn
        assert server_pid(embedded_folder / "data" / "postgres") == pid
    assert not (embedded_folder / "data" / "postgres" / "postmaster.pid").exists()


@pytest.mark.parametrize("survivor", ["none", "init"])
def test_a_killed_server_starts_again_with_all_that_was_committed(embedded_folder: Path, survivor: str) -> None:
    """`init`: the pid in the left-over file has come round again and belongs to another process, here ourselves."""
    driver = start_driver(embedded_folder, embedded_folder / "data")
    with psycopg.connect(dsn_of(driver), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS x")
    cluster = embedded_folder / "data" / "postgres"
    os.kill(server_pid(cluster), signal.SIGKILL)
    os.killpg(driver.pid, signal.SIGKILL)
    end_driver(driver, -signal.SIGKILL)
    if survivor == "init":
        lines = (cluster / "postmaster.pid").read_text().split("\n")
        (cluster / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]))
        (embedded_folder / "data" / "run" / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    with embedded_in(embedded_folder) as postgres:
        assert one_value(postgres.superuser_dsn, "SELECT x FROM kept") == 7


def test_a_server_that_died_under_us_is_started_again(embedded_folder: Path) -> None:
    with embedded_in(embedded_folder) as postgres:
        os.kill(server_pid(embedded_folder / "data" / "postgres"), signal.SIGKILL)
        postgres.start()
        assert one_value(postgres.web_dsn, "SELECT 1") == 1


def test_starts_that_race_agree_on_one_server(embedded_folder: Path) -> None:
    drivers = [start_driver(embedded_folder, embedded_folder / "data") for _ in range(4)]
    dsns = {dsn_of(driver) for driver in drivers}
    assert len(dsns) == 1
    assert one_value(dsns.pop(), "SELECT 1") == 1
    for driver in drivers:
        end_driver(driver)
    assert not (embedded_folder / "data" / "postgres" / "postmaster.pid").exists()


def test_an_interrupted_initdb_is_done_again(embedded_folder: Path) -> None:
    half_done = embedded_folder / "data" / "postgres.new-0a0b0c0d"
    half_done.mkdir(parents=True)
    (embedded_folder / "data").chmod(0o711)
    (half_done / "PG_VERSION").write_text("18\n")
    with embedded_in(embedded_folder) as postgres:
        assert one_value(postgres.web_dsn, "SELECT 1") == 1
    assert not half_done.exists()


def test_lock_files_that_nobody_holds_stop_nobody(embedded_folder: Path) -> None:
    (embedded_folder / "data").mkdir()
    (embedded_folder / "data").chmod(0o711)
    for name in ("postgres.lock", "postgres.users"):
        (embedded_folder / "data" / name).write_text("12345\n")
    with embedded_in(embedded_folder) as postgres:
        assert one_value(postgres.web_dsn, "SELECT 1") == 1


def test_the_server_stands_in_a_session_of_its_own_where_ctrl_c_does_not_reach_it(embedded_folder: Path) -> None:
    with embedded_in(embedded_folder):
        assert os.getsid(server_pid(embedded_folder / "data" / "postgres")) != os.getsid(0)


def test_a_data_directory_of_another_version_is_refused_in_one_sentence(embedded_folder: Path) -> None:
    with embedded_in(embedded_folder):
        pass
    (embedded_folder / "data" / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedError, match="made by PostgreSQL 17, and this Grantbook runs PostgreSQL 18: move it away"):
        embedded_in(embedded_folder).start()


def test_a_folder_that_is_no_database_is_refused(embedded_folder: Path) -> None:
    (embedded_folder / "data" / "postgres").mkdir(parents=True)
    with pytest.raises(EmbeddedError, match="no PostgreSQL data directory: move it away"):
        embedded_in(embedded_folder).start()


def test_a_setting_that_the_server_refuses_is_told_in_its_own_words(embedded_folder: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"didn't start: .*max_connections"):
        EmbeddedPostgres(embedded_folder / "data", settings={"max_connections": "none"}, state_dir=embedded_folder / "state").start()


def test_the_log_names_no_values_of_refused_rows(embedded_folder: Path) -> None:
    with embedded_in(embedded_folder) as postgres, psycopg.connect(postgres.owner_dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE t (secret text PRIMARY KEY)")
        for _ in range(2):
            with contextlib.suppress(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO t VALUES ('swordfish')")
    said = "".join(file.read_text() for file in (embedded_folder / "data" / "postgres" / "log").iterdir())
    assert "duplicate key" in said
    assert "swordfish" not in said


def test_a_server_without_a_free_connection_is_left_alone(embedded_folder: Path) -> None:
    few = {**SETTINGS, "max_connections": "4", "superuser_reserved_connections": "0", "autovacuum": "off"}
    with EmbeddedPostgres(embedded_folder / "data", settings=few, state_dir=embedded_folder / "state") as postgres:
        pid = server_pid(embedded_folder / "data" / "postgres")
        held = [psycopg.connect(postgres.web_dsn) for _ in range(4)]
        with pytest.raises(EmbeddedError, match="too many clients"):
            embedded_in(embedded_folder).start()
        assert server_pid(embedded_folder / "data" / "postgres") == pid
        for connection in held:
            connection.close()
