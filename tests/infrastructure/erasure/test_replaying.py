from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from application import erase_member
from infrastructure.erasure import replay
from tests.support.oauth_world import CLI, World

_OF = {"subjects": "subject", "subject_keys": "subject", "logins": "member_id"}


def test_what_a_backup_brings_back_of_an_erased_person_goes_again(world: World) -> None:
    erased, living = world.member("Analyst"), world.member("Analyst")
    with psycopg.connect(world.database.web_dsn, autocommit=True) as connection:
        kept = {table: connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))).fetchall() for table in _OF}
        erase_member.erase(world.services, world.account_id, UUID(erased), origin=CLI)
        for table, rows in kept.items():
            for row in rows:
                values = sql.SQL(", ").join([sql.Placeholder()] * len(row))
                connection.execute(sql.SQL("INSERT INTO {} VALUES ({}) ON CONFLICT DO NOTHING").format(sql.Identifier(table), values), row)
        assert _rows_of(connection, erased) == {"subjects": 1, "subject_keys": 1, "logins": 1}
        assert replay(connection) == 1
        assert _rows_of(connection, erased) == {"subjects": 0, "subject_keys": 0, "logins": 0}
        assert _rows_of(connection, living) == {"subjects": 1, "subject_keys": 1, "logins": 1}
        assert replay(connection) == 0


def _rows_of(connection: psycopg.Connection[Any], member_id: str) -> dict[str, int]:
    query = sql.SQL("SELECT count(*) FROM {} WHERE {}::text = %s")
    found = {}
    for table, column in _OF.items():
        row = connection.execute(query.format(sql.Identifier(table), sql.Identifier(column)), (member_id,)).fetchone()
        assert row is not None
        found[table] = row[0]
    return found
