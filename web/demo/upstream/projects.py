"""The account's projects as the demo's resource knows them: from the command line, or from a file that is read again when it changes."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec

from infrastructure.logs import get_logger

log = get_logger(__name__)


class ProjectsUnreadable(Exception):
    """The projects' file can't be used; the message says why."""


class Project(msgspec.Struct, frozen=True):
    """A project's id, by which access is limited, and its name, by which its data is generated."""

    id: str
    name: str


class _File(msgspec.Struct):
    projects: tuple[Project, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    stamp: tuple[int, int, int]
    projects: tuple[Project, ...]


class ProjectDirectory:
    """All projects; a file that becomes unreadable leaves the last good list in force, since names decide nothing about access."""

    def __init__(self, fixed: tuple[Project, ...] = (), path: Path | None = None) -> None:
        self._fixed = fixed
        self._path = path
        self._lock = threading.Lock()
        self._seen = None if path is None else _read(path)
        if not self.all():
            raise ProjectsUnreadable("No project is given: name a file with --projects, or give --project ID=NAME.")

    def all(self) -> tuple[Project, ...]:
        """The projects in their order, each id once."""
        with self._lock:
            listed = self._fixed + self._from_file()
        return tuple({project.id: project for project in listed}.values())

    def _from_file(self) -> tuple[Project, ...]:
        if self._path is None or self._seen is None:
            return ()
        try:
            if _stamp(self._path) != self._seen.stamp:
                self._seen = _read(self._path)
        except (OSError, ProjectsUnreadable) as error:
            log.warning("projects file can't be read again, the last list stays", reason=str(error))
        return self._seen.projects


def _read(path: Path) -> _Seen:
    try:
        stamp = _stamp(path)
        content = path.read_bytes()
    except OSError as error:
        raise ProjectsUnreadable(f"The projects file {path} can't be read: {error.strerror}.") from error
    try:
        found = msgspec.json.decode(content, type=_File | list[Project])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProjectsUnreadable(f'The projects file {path} must hold [{{"id", "name"}}] or {{"projects": [...]}}: {error}.') from error
    return _Seen(stamp, found.projects if isinstance(found, _File) else tuple(found))


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino
