"""Run by tests in a process of its own: starts the embedded PostgreSQL of a folder, says how to connect, waits for its input to end."""

from __future__ import annotations

import sys
from pathlib import Path

from infrastructure.data_dir import EmbeddedError
from infrastructure.embedded import EmbeddedPostgres


def main() -> int:
    data_dir, state_dir = map(Path, sys.argv[1:3])
    try:
        with EmbeddedPostgres(data_dir, settings={"fsync": "off"}, state_dir=state_dir) as postgres:
            print(postgres.superuser_dsn, flush=True)
            sys.stdin.read()
    except EmbeddedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
