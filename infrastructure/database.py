"""Connection strings and connections: who connects with which libpq parameters."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

OWNER_ROLE = "grantbook_owner"
WEB_ROLE = "grantbook_web"

# The revocation barrier waits for backends of this name and for no other.
DECIDE = "grantbook-decide"
VIEWS = "grantbook-views"
PROJECTOR = "grantbook-projector"
CLI = "grantbook-cli"
MIGRATE = "grantbook-migrate"

DECIDE_TIMEOUT_MS = 2_000

BY_INDEX = (("enable_seqscan", "off"), ("enable_bitmapscan", "off"))
"""Options of connections whose statements look up single places or go in order, and are planned once, perhaps while the tables are small: only
indexes are good at every size, whatever the statistics say."""

# What a lost connection raises, for the layers that may not import psycopg.
ConnectionLost = psycopg.OperationalError
ViewsMissing = psycopg.errors.UndefinedTable
"""What a reader of the views gets until the first projector has made them."""

_UNREADABLE = "The connection string can't be read as libpq's: look for a missing '=' or quote."


class DatabaseUnavailable(Exception):
    """The database can't be reached or refuses the connection; the message names no password."""


def with_parameters(
    dsn: str,
    *,
    application_name: str,
    statement_timeout_ms: int | None = None,
    options: tuple[tuple[str, str], ...] = (),
    connect_timeout_s: int = 10,
) -> str:
    """Return `dsn` (libpq string or URI, several hosts allowed) with Grantbook's session parameters merged in.

    Options that the caller's string already holds stay and win over ours, since the server takes the last of each.
    """
    settings = [("plan_cache_mode", "force_generic_plan"), *options]
    if statement_timeout_ms is not None:
        settings.append(("statement_timeout", f"{statement_timeout_ms}ms"))
    ours = " ".join(f"-c {name}={_escaped(value)}" for name, value in settings)
    given = _parsed(dsn)
    parameters: dict[str, Any] = {"application_name": application_name, "options": f"{ours} {given.get('options') or ''}".strip()}
    if "connect_timeout" not in given:
        parameters["connect_timeout"] = connect_timeout_s
    return make_conninfo(dsn, **parameters)


def decide_dsn(dsn: str) -> str:
    """The decision path: known to the revocation barrier, whose patience nothing may outlive, whether it runs or idles in a transaction, or lost
    its network."""
    limits = (("idle_in_transaction_session_timeout", f"{DECIDE_TIMEOUT_MS}ms"), ("transaction_timeout", f"{DECIDE_TIMEOUT_MS * 2}ms"))
    merged = with_parameters(dsn, application_name=DECIDE, statement_timeout_ms=DECIDE_TIMEOUT_MS, options=(*limits, *BY_INDEX))
    return make_conninfo(merged, **({} if "tcp_user_timeout" in _parsed(dsn) else {"tcp_user_timeout": 5_000}))


def views_dsn(dsn: str) -> str:
    """Pages and the API, and what tells whether they can be served: reads, from a replica where there is one."""
    options = (("timezone", "UTC"), ("default_transaction_read_only", "on"))
    return with_parameters(dsn, application_name=VIEWS, statement_timeout_ms=10_000, options=options)


def cli_dsn(dsn: str) -> str:
    """One command of the command line."""
    return with_parameters(dsn, application_name=CLI)


def connect(dsn: str, *, autocommit: bool = True) -> psycopg.Connection[Any]:
    """Open a connection; raise `DatabaseUnavailable` with one clear sentence, which never quotes the string."""
    try:
        return psycopg.connect(dsn, autocommit=autocommit)
    except psycopg.ProgrammingError:
        raise DatabaseUnavailable(_UNREADABLE) from None
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(f"The database can't be reached: {first_line(error)}") from error


def role_of(dsn: str) -> str:
    """The role that a connection with `dsn` acts as, whether the string, the environment or the system names it."""
    with connect(with_parameters(dsn, application_name=CLI)) as connection:
        return connection.info.user


def first_line(error: BaseException) -> str:
    """The first line of what libpq or the server said."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _parsed(dsn: str) -> dict[str, Any]:
    try:
        return conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise DatabaseUnavailable(_UNREADABLE) from None


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace(" ", "\\ ")
