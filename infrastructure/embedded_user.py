"""Which operating-system user runs the embedded PostgreSQL: it refuses root, so root gives it a user of its own."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from infrastructure.data_dir import EmbeddedError

SYSTEM_USER = "grantbook"

# What a server may see of our environment: nothing (no PG* variables, no secrets).
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"


@dataclass(frozen=True, slots=True)
class ServerUser:
    """`changes` is true where we run as root and the server must not."""

    name: str
    uid: int
    gid: int
    changes: bool

    def own(self, path: Path) -> None:
        """Give a folder that we just made to the server."""
        if self.changes:
            os.chown(path, self.uid, self.gid)

    def run(self, command: Sequence[str | Path], **kwargs: Any) -> subprocess.CompletedProcess[str]:
        """Run a short command as this user, its output captured."""
        return subprocess.run(
            [os.fspath(part) for part in command],
            env=_ENVIRONMENT,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            **self._switch(),
            **kwargs,
        )

    def launch(self, command: Sequence[str | Path], log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a server in a session of its own, so that a Ctrl-C in the terminal doesn't reach it."""
        return subprocess.Popen(
            [os.fspath(part) for part in command],
            env=_ENVIRONMENT,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **self._switch(),
        )

    def reaches(self, folder: Path) -> bool:
        """Whether this user may enter `folder`."""
        if not self.changes:
            return os.access(folder, os.X_OK)
        return self.run(["/bin/sh", "-c", 'cd -- "$1"', "sh", folder]).returncode == 0

    def _switch(self) -> dict[str, Any]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.changes else {}


def server_user(cluster: Path | None) -> ServerUser:
    """The user for this machine; as root, the owner of an existing `cluster`, else the system user `grantbook`."""
    uid = os.geteuid()
    if uid != 0:
        return _known(uid, changes=False)
    user = _owner(cluster) or _by_name(SYSTEM_USER) or _made_once()
    try:
        user.run(["/bin/true"])
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedError(
            "PostgreSQL refuses to run as root, and this root may not change to another user: run Grantbook as an ordinary user."
        ) from error
    return user


def _owner(cluster: Path | None) -> ServerUser | None:
    uid = cluster.stat().st_uid if cluster is not None and cluster.exists() else 0
    return _known(uid, changes=True) if uid else None


def _known(uid: int, *, changes: bool) -> ServerUser:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError as error:
        raise EmbeddedError(
            f"User id {uid} has no name on this machine, which PostgreSQL needs: add it to /etc/passwd or run as another user."
        ) from error
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid, changes)


def _by_name(name: str) -> ServerUser | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    if entry.pw_uid == 0:
        raise EmbeddedError(f"The user {name!r} of this machine is root itself: remove it or run Grantbook as an ordinary user.")
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid, changes=True)


def _made_once() -> ServerUser:
    """Two of us at once must not both make the user: `useradd` may then write it twice, with two ids."""
    folder = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        return _by_name(SYSTEM_USER) or _made()
    finally:
        os.close(folder)


def _made() -> ServerUser:
    commands = (
        ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"],
        ["adduser", "-S", "-D", "-H", "-s", "/sbin/nologin"],
    )
    for command in commands:
        program = shutil.which(command[0], path=_SYSTEM_PATH)
        if program:
            subprocess.run([program, *command[1:], SYSTEM_USER], capture_output=True, check=False, stdin=subprocess.DEVNULL)
        user = _by_name(SYSTEM_USER)
        if user:
            return user
    raise EmbeddedError(
        f"PostgreSQL refuses to run as root, and the user {SYSTEM_USER!r} could not be made: "
        f"make it (`useradd --system {SYSTEM_USER}`) or run Grantbook as an ordinary user."
    )
