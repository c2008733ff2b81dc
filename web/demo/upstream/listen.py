"""The socket on which the demo's resource listens: a Unix socket of its owner alone, or a port on loopback."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

MAX_SOCKET_PATH = 107
BACKLOG = 128


class CannotListen(Exception):
    """The address can't be used; the message says what to do."""


def listen_on_path(path: Path) -> socket.socket:
    """A Unix socket with mode 600; one that a dead process left behind is replaced."""
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise CannotListen(f"The socket's path has more than {MAX_SOCKET_PATH} bytes: give a shorter one with --socket.")
    _clear(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(f"The socket {path} can't be made: {error.strerror}.") from error
    finally:
        os.umask(mask)
    return listener


def listen_on_port(port: int) -> socket.socket:
    """A port on 127.0.0.1."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(f"Port {port} can't be used: {error.strerror}. End what uses it, or give another with --port.") from error
    return listener


def _clear(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise CannotListen(f"The socket {path} can't be made: {error.strerror}.") from error
    if not stat.S_ISSOCK(kind):
        raise CannotListen(f"{path} is in the way and is no socket: give another path with --socket.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise CannotListen(f"The socket {path} is there and can't be tried: {error.strerror}.") from error
    raise CannotListen(f"Another process listens on {path}: end it, or give another path with --socket.")
