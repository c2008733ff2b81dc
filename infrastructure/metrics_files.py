"""How the counts of several processes come together: each writes its own to a file every second, whoever serves them adds them up."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from application.counting import COUNTS, Counts, Key

EVERY_S = 1.0


class Written(msgspec.Struct):
    """One process's counts; JSON has no tuples for keys, so they stand as pairs."""

    process: str
    numbers: list[tuple[list[str], float]]
    times: list[tuple[list[str], list[float]]]
    gauges: list[tuple[list[str], float]]


class Writer(threading.Thread):
    """Writes a process's counts until it ends; what it counted in its last second is lost with it."""

    def __init__(self, folder: Path, process: str, counts: Counts = COUNTS) -> None:
        super().__init__(name="counts", daemon=True)
        self._file = folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        self._process, self._counts, self._over = process, counts, threading.Event()

    def run(self) -> None:
        while not self._over.wait(EVERY_S):
            self.write()

    def write(self) -> None:
        """Replace the file by one rename. The folder may be gone already, at the end."""
        numbers, times, gauges = self._counts.read()
        written = Written(self._process, _pairs(numbers), _pairs(times), _pairs(gauges))
        new = self._file.with_suffix(".new")
        with contextlib.suppress(OSError):
            new.write_bytes(msgspec.json.encode(written))
            new.replace(self._file)

    def end(self) -> None:
        """Write once more, then no more."""
        self._over.set()
        self.write()


class Sums:
    """The counts of all processes that ever wrote here. What has ended keeps counting, but its gauges are gone and its file is taken away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._past_numbers: dict[Key, float] = {}
        self._past_times: dict[Key, list[float]] = {}

    def read(self) -> tuple[dict[Key, float], dict[Key, list[float]]]:
        """Numbers (gauges among them) and times."""
        with self._lock:
            living = [written for path, written in self._files() if not self._bury(path, written)]
            numbers, times = dict(self._past_numbers), {key: list(slots) for key, slots in self._past_times.items()}
        for written in living:
            _add(written, numbers, times)
            for key, value in [*written.gauges, (["processes", written.process], 1.0)]:
                numbers[tuple(key)] = numbers.get(tuple(key), 0.0) + value
        return numbers, times

    def _files(self) -> Iterator[tuple[Path, Written]]:
        for path in sorted(self._folder.glob("*.json")):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                yield path, msgspec.json.decode(path.read_bytes(), type=Written)

    def _bury(self, path: Path, written: Written) -> bool:
        if _alive(int(path.name.partition("-")[0])):
            return False
        _add(written, self._past_numbers, self._past_times)
        path.unlink(missing_ok=True)
        return True


def _add(written: Written, numbers: dict[Key, float], times: dict[Key, list[float]]) -> None:
    for key, value in written.numbers:
        numbers[tuple(key)] = numbers.get(tuple(key), 0.0) + value
    for key, slots in written.times:
        before = times.get(tuple(key)) or [0.0] * len(slots)
        times[tuple(key)] = [a + b for a, b in zip(before, slots, strict=True)]


def _pairs(mapping: dict[Key, Any]) -> list[tuple[list[str], Any]]:
    return [(list(key), value) for key, value in mapping.items()]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
