"""Whether a port can be listened on, asked before anything starts."""

from __future__ import annotations

import contextlib
import errno
import socket


class PortInUse(Exception):
    """One sentence that says which port and what to do."""


def check_port(host: str, port: int, option: str) -> None:
    """Raise `PortInUse` unless a server may listen there; `option` names the way to choose another port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise PortInUse(f"Port {port} may not be used by this user: choose one from 1024 with {option}.") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(f"Port {port} is in use: end what listens there, or choose another with {option}.") from None
            raise PortInUse(f"Nothing can listen on {host}:{port} ({error.strerror}): choose another with {option}.") from None
        except UnicodeError:
            raise PortInUse(f"{host!r} is no host to listen on.") from None
    # Browsers may try ::1 first for localhost, and would reach whoever listens there.
    if host == "127.0.0.1" and _answers("::1", port):
        raise PortInUse(f"Port {port} is in use on [::1]: end what listens there, or choose another with {option}.")


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.3)
        return probe.connect_ex((host, port)) == 0
    return False
