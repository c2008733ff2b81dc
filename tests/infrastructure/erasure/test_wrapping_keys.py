from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from application import erase_member
from domain.errors import Refused
from infrastructure import root_keys
from infrastructure.erasure import wrapping_keys
from infrastructure.erasure.wrapping_keys import in_use, rotate
from infrastructure.run_lock import AlreadyRunning, RunLock
from infrastructure.settings import Settings
from infrastructure.store.keyring import Keyring
from infrastructure.store.sealing import Wrapping, kek_id_of
from tests.infrastructure.erasure.given import leading
from tests.support.oauth_world import CLI, World

NEW = bytes(range(7, 39))


def kept(world: World, folder: Path) -> Settings:
    """The settings of an embedded store with this world's wrapping key."""
    settings = world.app.settings
    (folder / "wrapping.keys").write_text(base64.b64encode(settings.wrapping_keys[0]).decode() + "\n")
    (folder / "wrapping.keys").chmod(0o600)
    return replace(settings, data_dir=folder, database_url=None)


def keys_in(folder: Path) -> tuple[bytes, ...]:
    return root_keys.parse_keys((folder / "wrapping.keys").read_text())


def wrapped(connection: psycopg.Connection[Any], subject: str) -> list[tuple[bytes, str]]:
    return connection.execute("SELECT wrapped, kek_id FROM subject_keys WHERE subject = %s", (subject,)).fetchall()


def test_after_a_rotation_an_old_copy_opens_nothing_of_somebody_erased(world: World, tmp_path: Path) -> None:
    gone, stays, settings = world.member("Analyst"), world.member("Analyst"), kept(world, tmp_path)
    with leading(world) as connection:
        backup = wrapped(connection, gone)
        name = world.events(gone)[0].name  # type: ignore[attr-defined]  # member.added has it
        erase_member.erase(world.services, world.account_id, UUID(gone), origin=CLI)
        assert all(Wrapping(settings.wrapping_keys).unwrap(bytes(key), kek) for key, kek in backup), "until then a backup opens it"
        done = rotate(connection, settings, world.clock())
        assert done.rewrapped > 0
        assert done.destroyed == (kek_id_of(settings.wrapping_keys[0]),)
        left = keys_in(tmp_path)
        assert not set(left) & set(settings.wrapping_keys)
        assert not any(Wrapping(left).unwrap(bytes(key), kek) for key, kek in backup)
        assert Keyring(world.database.web_dsn, left).open(name, f"{gone}:1") is None
        assert Keyring(world.database.web_dsn, left).open(world.events(stays)[0].name, f"{stays}:1") == "M"  # type: ignore[attr-defined]
        assert [(each.newest, each.data_keys > 0) for each in in_use(connection, left, world.clock())] == [(True, True)]


def test_a_rotation_that_was_cut_off_is_finished_by_the_next(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = kept(world, tmp_path)
    with leading(world) as connection:
        with monkeypatch.context() as patched:
            patched.setattr(wrapping_keys, "rewrap_data_keys", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                rotate(connection, settings, world.clock())
        between = keys_in(tmp_path)
        assert between[1:] == settings.wrapping_keys, "the old key stays until nothing needs it"
        done = rotate(connection, replace(settings, wrapping_keys=between), world.clock())
        assert done.destroyed == (kek_id_of(settings.wrapping_keys[0]),)
        assert keys_in(tmp_path) == between[:1]


def test_no_key_is_destroyed_while_a_server_runs_or_a_data_key_is_lost(world: World, tmp_path: Path) -> None:
    settings = kept(world, tmp_path)
    with leading(world) as connection:
        with RunLock(tmp_path, {"url": "http://localhost:8000"}), pytest.raises(AlreadyRunning):
            rotate(connection, settings, world.clock())
        connection.execute("UPDATE subject_keys SET kek_id = 'ffffffff' WHERE subject = %s", (world.admin_id,))
        with pytest.raises(Refused, match="none was destroyed"):
            rotate(connection, settings, world.clock())
    assert settings.wrapping_keys[0] in keys_in(tmp_path)


def test_where_keys_are_set_from_outside_it_is_told_which_may_go(world: World) -> None:
    old = world.app.settings.wrapping_keys
    with leading(world) as connection:
        assert rotate(connection, world.app.settings, world.clock()).may_go == ()
        done = rotate(connection, replace(world.app.settings, wrapping_keys=(NEW, *old)), world.clock())
        assert (done.newest, done.may_go, done.destroyed) == (kek_id_of(NEW), (kek_id_of(old[0]),), ())


def test_it_is_known_since_when_the_newest_key_is_in_use(world: World) -> None:
    begun = world.clock()
    with leading(world) as connection:
        in_use(connection, (NEW,), begun)
        assert in_use(connection, (NEW,), begun + timedelta(days=31))[0].since == begun
