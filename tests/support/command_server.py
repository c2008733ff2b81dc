"""`python -m tests.support.command_server SOCKET`: runs `grantbook` in a process of its own for each request, with everything imported before.

A request is one message: JSON with `arguments`, `environment` and `folder`, and the three standard files. The answer is the exit code in
ASCII, negative for a signal: a command that never ends is killed. The server ends with the process that started it, as its standard input
closes then.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from typing import Any

_LONGEST = 1 << 20
_PATIENCE_S = 90


class Requests:
    """What waits to be run, and who waits for its end."""

    def __init__(self, path: str) -> None:
        self._running: dict[int, socket.socket] = {}
        self._ended, self._told = socket.socketpair()
        self._told.setblocking(False)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(64)
        self._files: list[Any] = [self._listener, self._ended, 0]

    def next(self) -> socket.socket:
        """Comes back in the process that is to be a command, with its connection; never in the server."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._told.fileno())
        waiting = selectors.PollSelector()
        for file in self._files:
            waiting.register(file, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in waiting.select()}
            if 0 in ready:
                os._exit(0)
            if self._ended in ready:
                self._ended.recv(_LONGEST)
                self._tell()
            if self._listener in ready:
                connection, _ = self._listener.accept()
                command = os.fork()
                if command == 0:
                    return self._left_for(connection)
                self._running[command] = connection

    def _tell(self) -> None:
        while self._running:
            command, status = os.waitpid(-1, os.WNOHANG)
            if command == 0:
                return
            with self._running.pop(command) as connection:
                connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())

    def _left_for(self, connection: socket.socket) -> socket.socket:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for file in (self._listener, self._ended, self._told, *self._running.values()):
            file.close()
        return connection


def become_command(connection: socket.socket) -> None:
    """Take over the folder, environment and standard files of the request."""
    text, files, _, _ = socket.recv_fds(connection, _LONGEST, 3)
    connection.close()
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    request: dict[str, Any] = json.loads(text)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    signal.alarm(_PATIENCE_S)
    sys.argv = ["-c", *request["arguments"]]


def run() -> int:
    """Run the command line to its end: the exit code that Python would give."""
    from web.cli import main

    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001  # as Python tells of it
        traceback.print_exc()
        return 1
    return 0


def import_everything() -> None:
    """What commands import when they run, and what they find out of the events' classes."""
    import web.cli
    from infrastructure.store.facts import facts_of
    from infrastructure.store.registry import topics

    for module in pkgutil.iter_modules(web.cli.__path__, "web.cli."):
        importlib.import_module(module.name)
    importlib.import_module("web.app")
    for topic in topics().values():
        facts_of(topic.event_class)
    assert threading.active_count() == 1, "a thread would be missing after a fork"
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    import_everything()
    requests = Requests(sys.argv[1])
    print("ready", flush=True)
    become_command(requests.next())
    code = run()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)  # to take down all that was imported takes longer than most commands
