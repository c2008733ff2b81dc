"""A replay in a process of its own, for a test that kills it: the argument is the DSN. It says `building` in the middle, and waits."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import psycopg

from infrastructure.store.keyring import Keyring
from projections import view
from projections.events import PersonalReader
from projections.registry import BY_NAME
from projections.replaying import Replay
from tests.infrastructure.store.given import WRAPPING_KEYS


def main(dsn: str) -> None:
    keyring = Keyring(dsn, WRAPPING_KEYS)
    with psycopg.connect(dsn, autocommit=True) as connection:
        reader = PersonalReader(keyring.open, keyring.prefetch)
        made = Replay(connection, [BY_NAME["members"], BY_NAME["sessions"]], reader, view.head(connection), datetime.now(UTC), batch=5)
        with made.building() as steps:
            next(steps)
            print("building", flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
