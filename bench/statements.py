"""Counts the statements and transactions of a request: in a pass of its own the throw-away server logs every statement, and they are counted."""

from __future__ import annotations

import contextlib
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.load import Running
from bench.place import Place
from bench.workloads import Workloads
from infrastructure.database import DECIDE

_SECONDS = 0.6
_LINE = re.compile(r"^gb\|(?P<who>[^|]*)\|(?P<pid>\d+)\|LOG: +(?:execute (?P<name>[^:]+)|statement): (?P<text>.*)$")
_CONTROL = re.compile(r"(begin|commit|rollback|savepoint|release|set|deallocate)\b", re.IGNORECASE)
_WRITES = re.compile(r"\b(insert|update|delete)\b", re.IGNORECASE)
_ON = ("log_statement = 'all'", "log_line_prefix = 'gb|%a|%p|'", "log_parameter_max_length = 0")


@dataclass(frozen=True, slots=True)
class Counted:
    """Per request: statements that read or write, BEGIN and COMMIT, and transactions that wrote."""

    requests: int
    data: float
    control: float
    writing: float
    kinds: Counter[str]


def count(place: Place, workloads: Workloads, name: str) -> Counted:
    """Send one workload over one connection for a moment with statement logging on. Only the deciding connections are counted."""
    job = workloads.job(name, _SECONDS)
    with logged(place) as lines:
        outcome = Running(job, 1, _SECONDS, 0.0).result()
        workloads.take_back(name, outcome.items)
    return counted(lines, len(outcome.latencies) + sum(outcome.bad.values()))


@contextlib.contextmanager
def logged(place: Place) -> Iterator[list[str]]:
    """Statement logging is on within; afterwards the list holds the log's new lines."""
    lines: list[str] = []
    with place.superuser() as connection:
        for setting in _ON:
            connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.3)
        sizes = {path: path.stat().st_size for path in _logs(place)}
        yield lines
        for setting in _ON:
            connection.execute(f"ALTER SYSTEM RESET {setting.split(' ', 1)[0]}")
        connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.3)
    lines += [line for path in _logs(place) for line in _grown(path, sizes.get(path, 0))]


def reading(lines: list[str], who: Sequence[str]) -> list[str]:
    """The statements that read or write, of connections with these application names; BEGIN, COMMIT and settings are not among them."""
    found = (match for match in map(_LINE.match, lines) if match is not None and match["who"] in who)
    return [match["text"] for match in found if not _CONTROL.match(match["text"])]


def counted(lines: list[str], requests: int) -> Counted:
    """Read the log's lines. A transaction counts as writing if one of its statements does."""
    data = control = writing = 0
    kinds: Counter[str] = Counter()
    inside: dict[str, bool] = {}
    for line in lines:
        found = _LINE.match(line)
        if found is None or found["who"] != DECIDE:
            continue
        text, pid = found["text"], found["pid"]
        kinds[found["name"] or " ".join(text.split()[:5])] += 1
        if _CONTROL.match(text):
            control += 1
            word = text.split(maxsplit=1)[0].upper().rstrip(";")
            if word == "BEGIN":
                inside[pid] = False
            elif word in ("COMMIT", "ROLLBACK"):
                writing += inside.pop(pid, False)
            continue
        data += 1
        if _WRITES.search(text):
            if pid in inside:
                inside[pid] = True
            else:
                writing += 1
    each = max(1, requests)
    return Counted(requests, data / each, control / each, writing / each, kinds)


def _logs(place: Place) -> list[Path]:
    return sorted((place.postmaster().parent / "log").glob("*.log"))


def _grown(path: Path, offset: int) -> list[str]:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read().decode(errors="replace").splitlines()
