"""Runs `grantbook` as a user does, a process for each command, without Python's start and our imports each time."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def grantbook(arguments: tuple[str, ...], *, environment: Mapping[str, str], folder: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """What `subprocess.run` gives for the command line in this environment and folder, from `tests.support.command_server`."""
    request = {"arguments": arguments, "environment": dict(environment), "folder": str(folder)}
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        given.write(stdin.encode())
        given.seek(0)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(_server())
            socket.send_fds(connection, [json.dumps(request).encode()], [given.fileno(), out.fileno(), errors.fileno()])
            code = connection.recv(16)
        assert code, "the command server has died"
        said = []
        for file in (out, errors):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(["grantbook", *arguments], int(code), *said)


@functools.cache
def _server() -> str:
    """The socket of this process's server, which ends with it."""
    folder = tempfile.mkdtemp(prefix="grantbook-commands-")
    where = str(Path(folder, "socket"))
    process = subprocess.Popen([sys.executable, "-m", "tests.support.command_server", where], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline(), "the command server has not started"

    def end() -> None:
        process.communicate()
        shutil.rmtree(folder)

    atexit.register(end)
    return where
