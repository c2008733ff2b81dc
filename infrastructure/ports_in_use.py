"""Listening on a port, and whether one can be listened on, asked before anything starts."""

from __future__ import annotations

import contextlib
import errno
import socket

_CHOOSE_HOST = "choose an address of this machine with --host or GRANTBOOK_HOST."


class PortInUse(Exception):
    """One sentence that says which port and what to do."""


def check_port(host: str, port: int, option: str) -> None:
    """Raise `PortInUse` unless a server may listen there; `option` names the way to choose another port."""
    bound(host, port, option).close()
    # Browsers may try ::1 first for localhost, and would reach whoever listens there.
    if host == "127.0.0.1" and _answers("::1", port):
        raise PortInUse(f"Port {port} is in use on [::1]: end what listens there, or choose another with {option}.")


def bound(host: str, port: int, option: str, *, shared: bool = False) -> socket.socket:
    """A socket on that address, not listening yet; else `PortInUse`. Sockets that are `shared` stand side by side, each with clients of its own."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.ExitStack() as undo:
        made = undo.enter_context(socket.socket(family, socket.SOCK_STREAM))
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            made.bind((host, port))
        except PermissionError:
            raise PortInUse(f"Port {port} may not be used by this user: choose one from 1024 with {option}.") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(f"Port {port} is in use: end what listens there, or choose another with {option}.") from None
            raise PortInUse(f"Nothing can listen on {host} ({error.strerror}): {_CHOOSE_HOST}") from None
        except UnicodeError:
            raise PortInUse(f"{host!r} is no host to listen on: {_CHOOSE_HOST}") from None
        undo.pop_all()
        return made


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.3)
        return probe.connect_ex((host, port)) == 0
    return False
