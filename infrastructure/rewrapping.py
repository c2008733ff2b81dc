"""After a change of root keys: wraps anew, under the newest ones, everything that is kept under older ones, so that those can go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from infrastructure.bootstrap import App
from infrastructure.database import cli_dsn, connect
from infrastructure.secret_box import KeySealedBox
from infrastructure.signing_keys import rewrapped
from infrastructure.store.sealing import Wrapping

BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many keys were wrapped anew, and how many none of the configured keys opens."""

    data_keys: int
    signing_keys: int
    provider_secrets: int
    lost: int


def rewrap(app: App) -> Rewrapped:
    """Short transactions beside the running server; it may be repeated, and what the server changes meanwhile stays as it is."""
    settings = app.settings
    app.services.login_key("", "")  # wraps itself anew when it is read
    with connect(cli_dsn(app.dsn)) as connection:
        data_keys, lost = rewrap_data_keys(connection, Wrapping(settings.wrapping_keys))
        signing, lost_signing = _each(
            connection,
            "SELECT kid, private_wrapped FROM signing_keys WHERE status <> 'retired'",
            "UPDATE signing_keys SET private_wrapped = %s WHERE kid = %s AND private_wrapped = %s",
            lambda _kid, wrapped: rewrapped(settings.secret_keys, wrapped),
        )
        newest, box = KeySealedBox(settings.secret_keys[:1]), KeySealedBox(settings.secret_keys)

        def sealed_anew(purpose: str, sealed: bytes) -> bytes | None:
            text = box.open(sealed, purpose)
            return None if text is None else sealed if newest.open(sealed, purpose) is not None else newest.seal(text, purpose)

        providers, lost_providers = _each(
            connection,
            "SELECT account_id || ':' || provider_id, sealed FROM provider_secrets",
            "UPDATE provider_secrets SET sealed = %s WHERE account_id || ':' || provider_id = %s AND sealed = %s",
            sealed_anew,
        )
    return Rewrapped(data_keys, signing, providers, lost + lost_signing + lost_providers)


def rewrap_data_keys(connection: psycopg.Connection[Any], wrapping: Wrapping) -> tuple[int, int]:
    """How many were wrapped anew under the newest key, and how many none opens; batch by batch, in the order of their ids."""
    done, lost, after = 0, 0, ""
    while True:
        query = "SELECT kid, wrapped, kek_id FROM subject_keys WHERE kid > %s AND kek_id <> %s ORDER BY kid LIMIT %s"
        rows = connection.execute(query, (after, wrapping.kek_id, BATCH)).fetchall()
        if not rows:
            return done, lost
        after = rows[-1][0]
        opened = [(kid, wrapping.unwrap(bytes(wrapped), kek_id), kek_id) for kid, wrapped, kek_id in rows]
        changes = [(wrapping.wrap(key), wrapping.kek_id, kid, kek_id) for kid, key, kek_id in opened if key is not None]
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE subject_keys SET wrapped = %s, kek_id = %s WHERE kid = %s AND kek_id = %s", changes)
        done, lost = done + len(changes), lost + len(rows) - len(changes)


def _each(connection: psycopg.Connection[Any], query: str, update: str, change: Callable[[str, bytes], bytes | None]) -> tuple[int, int]:
    """Rows of (id, secret) whose secret changes, and those that nothing opens."""
    done = lost = 0
    for key, secret in connection.execute(query.encode()).fetchall():
        changed = change(key, bytes(secret))
        if changed is None:
            lost += 1
        elif changed != bytes(secret):
            connection.execute(update.encode(), (changed, key, secret))
            done += 1
    return done, lost
