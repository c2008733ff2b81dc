from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from infrastructure.database import DatabaseUnavailable, connect, decide_dsn, role_of, views_dsn, with_parameters
from tests.support.postgres import Database


def test_the_decision_path_is_known_by_name_and_gives_up_after_two_seconds(database: Database) -> None:
    with connect(decide_dsn(database.web_dsn)) as connection:
        shown = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in ("application_name", "statement_timeout", "plan_cache_mode")]
    assert shown == [("grantbook-decide",), ("2s",), ("force_generic_plan",)]


def test_the_callers_own_parameters_are_kept(database: Database) -> None:
    dsn = with_parameters(
        psycopg.conninfo.make_conninfo(database.web_dsn, options="-c statement_timeout=7s -c work_mem=5MB", connect_timeout=3),
        application_name="grantbook-views",
        statement_timeout_ms=1,
        options=(("search_path", "views, public"),),
    )
    assert conninfo_to_dict(dsn)["connect_timeout"] == "3"
    with connect(dsn) as connection:
        shown = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in ("statement_timeout", "work_mem", "search_path")]
    assert shown == [("7s",), ("5MB",), ("views, public",)]


def test_several_hosts_pass_through() -> None:
    given = conninfo_to_dict(views_dsn("postgresql://u@a:1,b:2/db?target_session_attrs=read-write"))
    assert (given["host"], given["port"], given["target_session_attrs"]) == ("a,b", "1,2", "read-write")


def test_the_role_is_asked_from_the_server(database: Database) -> None:
    assert role_of(database.web_dsn) == "grantbook_web"


@pytest.mark.parametrize(
    "dsn", ["host=/nowhere/at/all dbname=x user=y password=swordfish", "host=127.0.0.1 port=1 password=swordfish", "swordfish nonsense"]
)
def test_an_unreachable_database_is_one_sentence_without_the_password(dsn: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="can't be re") as caught:
        connect(dsn)
    assert "\n" not in str(caught.value)
    assert "swordfish" not in str(caught.value)
