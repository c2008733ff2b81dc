"""Ports for servers that are started and ended here."""

from __future__ import annotations

import contextlib
import os
import socket

_FIRST, _LAST = 10_000, 32_000
"""Below what systems give to outgoing connections, which would take a port between its probing and a start on it."""


def free_ports(count: int) -> int:
    """The first of `count` consecutive ports on 127.0.0.1 that nobody listens on now; processes begin to look in different places."""
    slots = (_LAST - _FIRST) // 8
    for slot in range(slots):
        base = _FIRST + (os.getpid() * 7 + slot) % slots * 8
        with contextlib.ExitStack() as stack:
            try:
                for offset in range(count):
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", base + offset))
            except OSError:
                continue
            return base
    raise RuntimeError("no free ports")
