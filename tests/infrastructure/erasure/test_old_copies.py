"""What lies outside the rows that can be read: the database's own files, its statistics, and backups of before."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
from psycopg.conninfo import make_conninfo

from application import erase_member, manage_members
from application.services import Origin
from application.sign_in import SignedIn, sign_in_with_password
from infrastructure.bootstrap import bootstrap
from infrastructure.catch_up import catch_up
from infrastructure.erasure.expiry import REBUILD_EVERY, Expiry
from infrastructure.projector import prepare_views
from projections.events import PersonalReader
from tests.infrastructure.erasure.given import shown
from tests.infrastructure.erasure.needles import found
from tests.infrastructure.erasure.test_nothing_is_left import dumped, program
from tests.support.oauth_world import CLI, World

PERSON = ("Maya Quetzal", "maya@zebra.example", "198.51.100.177", "Zebrafox/77")
APART = ("--exclude-table=views.*", "--exclude-table-data=public.projections", "--exclude-table-data=public.projector_leader")
PASSWORD = "correct horse battery"
_FILES = """SELECT pg_read_binary_file(pg_relation_filepath(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname IN ('views', 'public', 'pg_toast') AND c.relkind IN ('r', 'i', 't') AND pg_relation_filepath(c.oid) IS NOT NULL"""
_STATISTICS = """SELECT concat(most_common_vals::text, histogram_bounds::text) FROM pg_stats WHERE schemaname IN ('views', 'public')"""


def somebody(world: World, email: str = PERSON[1]) -> UUID:
    person = {"email": email, "name": PERSON[0], "role": "Analyst", "password": PASSWORD}
    added = manage_members.add_member(world.services, world.account_id, **person, origin=CLI)
    signed_in = sign_in_with_password(world.services, world.account_id, email, PASSWORD, Origin("ui", PERSON[2], PERSON[3]))
    assert isinstance(signed_in, SignedIn)
    return added.member_id


def in_files(world: World) -> list[str]:
    """What the files of all tables and indexes hold, and what the planner remembers of them."""
    with psycopg.connect(world.database.superuser_dsn, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
        content = b"".join(bytes(row[0]) for row in connection.execute(_FILES).fetchall())
        told = "".join(row[0] for row in connection.execute(_STATISTICS).fetchall())
    return found(content + told.encode(), PERSON)


def a_round(world: World) -> None:
    Expiry(world.app, lambda: PersonalReader(world.app.keyring.open, world.app.keyring.prefetch)).round()


def test_the_views_files_are_made_anew_without_the_rows_that_were_written_over(world: World) -> None:
    member_id = somebody(world)
    shown(world)
    with psycopg.connect(world.database.superuser_dsn, autocommit=True) as connection:
        connection.execute("ANALYZE")
    erase_member.erase(world.services, world.account_id, member_id, origin=CLI)
    shown(world)
    assert in_files(world), "dead rows"
    a_round(world)
    assert in_files(world) == []


def test_they_are_made_anew_at_most_once_a_day(world: World) -> None:
    for days_later, anew in ((0, True), (0, False), (REBUILD_EVERY.days, True)):
        world.later(days=days_later)
        erase_member.erase(world.services, world.account_id, somebody(world, f"m{days_later}{anew}@zebra.example"), origin=CLI)
        shown(world)
        before = _suffixes(world)
        a_round(world)
        assert (_suffixes(world) != before) is anew


def _suffixes(world: World) -> object:
    with world.app.views() as connection:
        return connection.execute("SELECT name, table_suffix FROM projections ORDER BY 1").fetchall()


def test_a_backup_without_the_views_holds_nothing_in_plain_and_they_fill_again(world: World, tmp_path: Path) -> None:
    member_id = somebody(world)
    shown(world)
    assert found(dumped(world), PERSON)
    plain, custom = tmp_path / "plain.sql", tmp_path / "custom.dump"
    for file, kind in ((plain, "plain"), (custom, "custom")):
        command: list[str] = [
            str(program(world, "pg_dump")),
            f"--format={kind}",
            f"--file={file}",
            *APART,
            f"--dbname={world.database.superuser_dsn}",
        ]
        subprocess.run(command, check=True, capture_output=True)
    assert found(plain.read_bytes(), PERSON) == []
    with restored(world, custom) as dsn:
        app = bootstrap(replace(world.app.settings, database_url=dsn), clock=world.clock)
        prepare_views(dsn)
        assert catch_up(app)
        with app.views() as connection:
            assert connection.execute("SELECT name FROM views.members WHERE member_id = %s", (member_id,)).fetchall() == [(PERSON[0],)]
        app.close()


@contextmanager
def restored(world: World, dump: Path) -> Iterator[str]:
    """The web role's access to a new database of the same cluster, made from a dump."""
    name = f"restored_{uuid4().hex[:8]}"
    with psycopg.connect(world.database.superuser_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        try:
            target = make_conninfo(world.database.superuser_dsn, dbname=name)
            command: list[str] = [str(program(world, "pg_restore")), "--exit-on-error", f"--dbname={target}", str(dump)]
            subprocess.run(command, check=True, capture_output=True)
            yield make_conninfo(world.database.web_dsn, dbname=name)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
