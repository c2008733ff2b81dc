"""A seeded server for a load generator of one's own: `python -m bench.target FOLDER` writes FOLDER/target.json and serves until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from bench import seed
from bench.place import HOME, Place, free_port
from infrastructure.embedded_places import _wheel as wheel  # the folder of psql beside the server's programs

ENDPOINTS = {
    "token": "/oauth/token",
    "introspect": "/oauth/introspect",
    "register": "/oauth/register",
    "metadata": "/.well-known/oauth-authorization-server",
}
SETTLE_S = 1


def target(place: Place, seeded: seed.Seeded, server: int, name: str) -> dict[str, Any]:
    """The target file: where the server answers, what to send, and which processes it consists of."""
    folder = place.folder
    (folder / "server.pid").write_text(f"{server}\n")
    return {
        "name": name,
        "base_urls": [place.base_url],
        "endpoints": ENDPOINTS,
        "client_id": seeded.client_id,
        "sessions_file": str(folder / "sessions.jsonl"),
        "codes_file": str(folder / "codes.jsonl"),
        "seed_codes_cmd": [
            "env",
            "-C",
            str(HOME),
            sys.executable,
            "-m",
            "bench.seed",
            str(folder),
            str(place.port),
            "codes",
            "{n}",
            str(folder / "codes.jsonl"),
        ],
        "codes_per_second": 3500,
        "introspect": {"auth": {"type": "basic", "client_id": seeded.resource_id, "client_secret": seeded.resource_secret}},
        "register": {"body": seed.METADATA, "status": 201},
        "server_pid_files": [str(folder / "server.pid")],
        "settle_s": SETTLE_S,
        "postgres_pid_file": str(place.postmaster()),
        "psql": psql(place),
        "pg_stat_statements_psql": psql(place),
    }


def psql(place: Place) -> list[str]:
    """A command line into the database as its superuser."""
    given = conninfo_to_dict(place.postgres.superuser_dsn)
    program = wheel() / "pginstall18" / "bin" / "psql"
    return [str(program), "-h", str(given["host"]), "-p", str(given["port"]), "-U", str(given["user"]), "-d", str(given["dbname"])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="made if missing; every user must be able to pass through it")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--codes", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--name", default="grantbook")
    given = parser.parse_args()
    folder: Path = given.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    place = Place(folder, given.port or free_port(), given.workers, given.threads)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with place.database(), place.served() as server:
        seeded = seed.seed(place, given.sessions)
        seed.write_sessions(place, seeded, given.sessions, folder / "sessions.jsonl")
        seed.write_codes(place, seeded, given.codes, folder / "codes.jsonl")
        seed.settle(place)
        (folder / "target.json").write_text(json.dumps(target(place, seeded, server, given.name), indent=1))
        print(f"{folder / 'target.json'}: {place.base_url} serves, process {server}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("ending", flush=True)


if __name__ == "__main__":
    main()
