"""Running the `git` program: an end in time, no questions, and no password in what it is started with or in what it says."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

from infrastructure.ledger.deposits.places import PlaceFailed
from infrastructure.settings import environment

_KEPT = (
    "PATH", "HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_CONFIG_GLOBAL",
    "http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY",
)  # fmt: skip
_WHO = {f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in (("NAME", "Grantbook"), ("EMAIL", "ledger@localhost"))}
_QUIETLY = ("-c", "gc.auto=0", "-c", "maintenance.auto=false", "-c", "core.hooksPath=/dev/null", "-c", "http.followRedirects=false")
_ANSWERS = '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$LEDGER_USER" "$LEDGER_PASSWORD"; }; f'
LARGEST = 4 * 1024**2
"""Bytes of what one program may print: names of some ten thousand files."""
_SAID = 64 * 1024
_WHO_ASKS = re.compile(r"(?<=://)[^/@\s]+@")
_FOLDERS = re.compile(r"(?<![\w:/.])/(?:[^\s/'\":]+/)+")


@dataclass(frozen=True, slots=True)
class Repository:
    """Where it is. `address` is what git is given; a password of http is not in it, other users see what a program was started with."""

    address: str
    name: str
    """For people: without who asks, and of a path only its last part."""
    user: str = ""
    password: str = field(default="", repr=False)


def read_repository(text: str) -> Repository:
    """A path, or an address as git takes it: https://…, ssh://…, file://…, user@host:path."""
    parts = urlsplit(text) if "://" in text else None
    if parts is None:
        before, colon, _ = text.partition(":")
        if colon and "/" not in before:
            return Repository(text, text.rpartition("@")[2])
        path = Path(text).absolute()
        return Repository(str(path), path.name)
    if parts.scheme == "file":
        return Repository(text, Path(parts.path).name)
    who, _, host = parts.netloc.rpartition("@")
    name = f"{host}{parts.path}"
    if parts.scheme not in ("http", "https") or not who:
        return Repository(text, name)
    user, _, password = who.partition(":")
    return Repository(urlunsplit(parts._replace(netloc=host)), name, unquote(user), unquote(password))


class Git:
    """Works in `folder` until `until` (of `time.monotonic`)."""

    def __init__(self, repository: Repository, folder: str, until: float) -> None:
        self._repository, self._folder, self._until = repository, folder, until

    def __call__(self, *arguments: str, given: bytes = b"") -> bytes:
        """What it printed. It has a group of its own, so that what it started ends with it."""
        with tempfile.TemporaryFile(dir=self._folder) as file:
            file.write(given)
            file.seek(0)
            process = self._started(arguments, file)
        with process:
            try:
                printed, said = _read(process, self._until)
                process.wait(max(0.0, self._until - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise PlaceFailed(f"git {arguments[0]} did not end in time.") from None
            except _TooLong:
                raise PlaceFailed(f"git {arguments[0]} printed more than {LARGEST // 1024**2} MiB: the repository is none of checkpoints.") from None
            finally:
                _end(process)
        if process.returncode:
            raise PlaceFailed(f"git {arguments[0]} failed: {self._plainly(said + _refusals(printed))}.")
        return printed

    def _started(self, arguments: tuple[str, ...], given: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                ["git", *_QUIETLY, *self._credentials(), *arguments], cwd=self._folder, env=self._environment(),
                stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except OSError:
            raise PlaceFailed("The program `git` can't be run: install it on the machine that runs Grantbook.") from None

    def _credentials(self) -> list[str]:
        """For this very server: whatever asks for another one is told nothing."""
        if not self._repository.user:
            return []
        parts = urlsplit(self._repository.address)
        return ["-c", "credential.helper=", "-c", f"credential.{parts.scheme}://{parts.netloc}.helper={_ANSWERS}"]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name in _KEPT if (value := environment(name))}
        ssh = environment("GIT_SSH_COMMAND") or "ssh"
        return {
            **kept, **_WHO, "LC_ALL": "C.UTF-8", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "GIT_ALLOW_PROTOCOL": "file:https:http:ssh",
            "GIT_SSH_COMMAND": f"{ssh} -o BatchMode=yes -o ConnectTimeout=10",
            "LEDGER_USER": self._repository.user, "LEDGER_PASSWORD": self._repository.password,
        }  # fmt: skip

    def _plainly(self, said: bytes) -> str:
        """Its first words: without advice, who asks, and folders of this machine."""
        lines = [line for line in said.decode("utf-8", "replace").splitlines() if not line.startswith(("hint:", "remote: hint:"))]
        text = " ".join(lines).replace(self._repository.address, self._repository.name)
        for secret in (self._repository.password, self._folder):
            text = text.replace(secret, "…") if secret else text
        text = _FOLDERS.sub("", _WHO_ASKS.sub("", text))
        return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200].rstrip(".") or "it said nothing"


class _TooLong(Exception):
    pass


def _read(process: subprocess.Popen[bytes], until: float) -> tuple[bytes, bytes]:
    """What it printed, and the beginning of what it said besides; `TimeoutExpired` where it goes on beyond `until`."""
    assert process.stdout is not None
    assert process.stderr is not None
    found = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as open_ones:
        for each in found:
            open_ones.register(each, selectors.EVENT_READ)
        while open_ones.get_map():
            left = until - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, left)
            for key, _ in open_ones.select(left):
                part = os.read(key.fd, 65_536)
                if not part:
                    open_ones.unregister(key.fileobj)
                elif key.fileobj is process.stderr:
                    found[process.stderr] += part[: _SAID - len(found[process.stderr])]
                else:
                    found[process.stdout] += part
                if len(found[process.stdout]) > LARGEST:
                    raise _TooLong
    return bytes(found[process.stdout]), bytes(found[process.stderr])


def _refusals(printed: bytes) -> bytes:
    """What `git push --porcelain` says about what was not taken."""
    return b"".join(b"\n" + line[2:] for line in printed.splitlines() if line.startswith(b"!\t"))


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
