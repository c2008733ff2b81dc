"""Where the embedded PostgreSQL lives: odd folders, other users, as root and as an ordinary user."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from infrastructure import embedded_places
from infrastructure.embedded import EmbeddedError, EmbeddedPostgres
from infrastructure.root_keys import kept_root_keys
from tests.support.embedded import (
    IS_ROOT,
    ORDINARY_USERS,
    SETTINGS,
    USERS,
    dsn_of,
    embedded_in,
    end_driver,
    one_value,
    socket_dir_of,
    start_driver,
)


@pytest.mark.parametrize(
    "name",
    ["it's ünïcödé 数据", 'a "b" $HOME `id` \\c', "comma, semicolon; {x} %s%d", "-D new\nline", "long" * 50],
)
@pytest.mark.parametrize("user", USERS)
def test_any_folder_name_works(embedded_folder: Path, name: str, user: str | None) -> None:
    driver = start_driver(embedded_folder, embedded_folder / name / "data", user)
    dsn = dsn_of(driver)
    if user is None:
        assert one_value(dsn, "SELECT 1") == 1
    else:
        assert dsn
    end_driver(driver)


def test_a_deep_folder_puts_its_socket_in_a_short_private_one_and_removes_it(embedded_folder: Path) -> None:
    deep = "d" * 100 + "/" + "e" * 100
    for _ in range(2):
        with embedded_in(embedded_folder, deep) as postgres:
            socket_dir = socket_dir_of(postgres)
            assert len(str(socket_dir)) < 90
            assert stat.S_IMODE(socket_dir.stat().st_mode) == 0o700
            assert one_value(postgres.web_dsn, "SELECT 1") == 1
        assert not socket_dir.exists()


def test_a_short_socket_folder_that_was_cleared_away_is_made_anew(embedded_folder: Path) -> None:
    deep = "d" * 150
    driver = start_driver(embedded_folder, embedded_folder / deep)
    socket_dir = Path(str(conninfo_to_dict(dsn_of(driver))["host"]))
    os.killpg(driver.pid, signal.SIGKILL)
    end_driver(driver, -signal.SIGKILL)
    shutil.rmtree(socket_dir)
    with embedded_in(embedded_folder, deep) as postgres:
        assert one_value(postgres.web_dsn, "SELECT 1") == 1


@pytest.mark.parametrize(("name", "mode"), [('a "b" $c', 0o755), ("closed", 0o700)])
def test_programs_that_can_not_be_used_where_they_are_get_copied(
    embedded_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, mode: int
) -> None:
    """A shell would read the name, or (as root) the server's own user may not enter."""
    odd = embedded_folder / name
    odd.mkdir(mode=mode)
    wheel = embedded_places._wheel()
    for part in (wheel.name, f"{wheel.name}.libs"):
        (odd / part).symlink_to(wheel.parent / part)
    monkeypatch.setattr(embedded_places, "_wheel", lambda: odd / wheel.name)
    with embedded_in(embedded_folder) as postgres:
        assert one_value(postgres.web_dsn, "SELECT 1") == 1
    if mode & 0o5 or IS_ROOT:
        assert (embedded_folder / "data" / "postgres.programs").read_text().startswith(str(embedded_folder / "data" / "programs"))


def test_a_file_in_place_of_the_data_directory_is_refused(embedded_folder: Path) -> None:
    (embedded_folder / "data").write_text("")
    with pytest.raises(EmbeddedError, match=r"can't be written .* name another one in GRANTBOOK_DATA_DIR"):
        embedded_in(embedded_folder).start()


@pytest.mark.parametrize("user", ORDINARY_USERS)
def test_a_read_only_folder_is_refused_in_one_sentence(embedded_folder: Path, user: str | None) -> None:
    (embedded_folder / "locked").mkdir()
    (embedded_folder / "locked").chmod(0o555)
    complaint = end_driver(start_driver(embedded_folder, embedded_folder / "locked" / "data", user), 1)
    assert "can't be written (Permission denied): make it writable" in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("user", ORDINARY_USERS)
def test_an_ordinary_user_runs_it_privately(embedded_folder: Path, user: str | None) -> None:
    driver = start_driver(embedded_folder, embedded_folder / "data", user)
    assert dsn_of(driver)
    found = (embedded_folder / "data" / "postgres").stat()
    assert found.st_uid == (os.geteuid() if user is None else pwd.getpwnam(user).pw_uid)
    assert stat.S_IMODE((embedded_folder / "data").stat().st_mode) == 0o700
    end_driver(driver)


@pytest.mark.parametrize("user", [user for user in USERS if user])
def test_root_uses_the_database_of_an_ordinary_user_as_that_user(embedded_folder: Path, user: str) -> None:
    driver = start_driver(embedded_folder, embedded_folder / "data", user)
    assert dsn_of(driver)
    end_driver(driver)
    with embedded_in(embedded_folder) as postgres:
        assert one_value(postgres.web_dsn, "SELECT 1") == 1
        assert (embedded_folder / "data" / "postgres" / "postmaster.pid").stat().st_uid == pwd.getpwnam(user).pw_uid
    driver = start_driver(embedded_folder, embedded_folder / "data", user)
    assert dsn_of(driver)
    end_driver(driver)


@pytest.mark.skipif(not IS_ROOT, reason="only root gives the server a user of its own")
def test_root_keeps_the_cluster_elsewhere_when_the_servers_user_may_not_enter(embedded_folder: Path) -> None:
    closed = embedded_folder / "closed"
    closed.mkdir(mode=0o700)
    for _ in range(2):
        with EmbeddedPostgres(closed / "data", settings=SETTINGS, state_dir=embedded_folder / "state") as postgres:
            assert one_value(postgres.web_dsn, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    home = Path((closed / "data" / "postgres.path").read_text())
    assert home.parent == embedded_folder / "state"
    assert (home / "postgres" / "PG_VERSION").exists()
    shutil.rmtree(home)
    with pytest.raises(EmbeddedError, match="which is gone: restore that folder, or delete"):
        EmbeddedPostgres(closed / "data", state_dir=embedded_folder / "state").start()


@pytest.mark.parametrize("mode", [0o711, 0o700])
def test_erasing_removes_database_and_keys_wherever_they_lie_and_nothing_else(embedded_folder: Path, mode: int) -> None:
    parent = embedded_folder / "parent"
    parent.mkdir(mode=mode)
    postgres = EmbeddedPostgres(parent / "data", settings=SETTINGS, state_dir=embedded_folder / "state")
    keys = kept_root_keys(parent / "data")
    (parent / "data" / "demo.json").write_text("{}")
    with postgres, pytest.raises(EmbeddedError, match="is in use: end the Grantbook"):
        EmbeddedPostgres(parent / "data", state_dir=embedded_folder / "state").erase()
    postgres.erase()
    assert {path.name for path in (parent / "data").iterdir()} == {"demo.json", "keys.lock", "postgres.lock", "postgres.users"}
    assert list((embedded_folder / "state").glob("*")) == []
    assert kept_root_keys(parent / "data") != keys
    with postgres:
        assert one_value(postgres.web_dsn, "SELECT 1") == 1
