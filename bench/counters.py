"""What a run costs: CPU seconds of every process from /proc, transactions and WAL from PostgreSQL."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

_TICK = os.sysconf("SC_CLK_TCK")
_WRITTEN = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
_BACKENDS = "SELECT pid, CASE backend_type WHEN 'client backend' THEN application_name ELSE backend_type END FROM pg_stat_activity"


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds by part of the system (`web`, `projector`, `gateway`, `database ...`), and what the database had written."""

    cpu: dict[str, float]
    transactions: int
    wal_bytes: int
    busy_s: float

    def since(self, before: Sample) -> Sample:
        cpu = {part: seconds - before.cpu.get(part, 0.0) for part, seconds in self.cpu.items()}
        return Sample(cpu, self.transactions - before.transactions, self.wal_bytes - before.wal_bytes, self.busy_s - before.busy_s)

    @property
    def server_s(self) -> float:
        return sum(s for part, s in self.cpu.items() if not part.startswith("database"))

    @property
    def database_s(self) -> float:
        return sum(s for part, s in self.cpu.items() if part.startswith("database"))


class Counters:
    """Of one server: `server` is the root of its processes, `postmaster` that of the database's."""

    def __init__(self, server: int, postmaster: int, connection: psycopg.Connection[Any]) -> None:
        self._server, self._postmaster, self._connection = server, postmaster, connection
        self._names: dict[int, str] = {}

    def sample(self) -> Sample:
        row = self._connection.execute(_WRITTEN).fetchone()
        assert row is not None
        self._names.update({pid: f"database {name or 'other'}" for pid, name in self._connection.execute(_BACKENDS)})
        cpu: defaultdict[str, float] = defaultdict(float)
        children = _children()
        for pid in _tree(self._server, children):
            cpu[_kind(pid)] += _seconds(pid)
        for pid in _tree(self._postmaster, children):
            cpu[self._names.get(pid, "database other")] += _seconds(pid)
        return Sample(cpu, row[0], row[1], _busy())


def _kind(pid: int) -> str:
    """The part of the server that a process is: workers are `web` themselves, or children of `gateway`."""
    while pid > 1:
        command = _command(pid)
        if "web.cli.child" in command:
            return command[command.index("web.cli.child") + 1]
        parent = _parent(pid)
        if parent is None:
            break
        pid = parent
    return "supervisor"


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def _parent(pid: int) -> int | None:
    found = _fields(pid)
    return None if found is None else int(found[1])


def _seconds(pid: int) -> float:
    """User and system time, children that were reaped included."""
    found = _fields(pid)
    return 0.0 if found is None else sum(int(ticks) for ticks in found[11:15]) / _TICK


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            parent = _parent(int(entry.name))
            if parent is not None:
                found.setdefault(parent, []).append(int(entry.name))
    return found


def _tree(root: int, children: dict[int, list[int]]) -> Iterable[int]:
    yield root
    for child in children.get(root, ()):
        yield from _tree(child, children)


def _busy() -> float:
    """Seconds that the whole machine has worked."""
    user, nice, system, _, _, irq, soft = (int(x) for x in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + irq + soft) / _TICK
