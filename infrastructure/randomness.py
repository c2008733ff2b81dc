"""Random bytes of the system's generator, fetched for many uses at once: each call to the kernel also lets go of the interpreter."""

from __future__ import annotations

import os
import threading
from io import BytesIO
from uuid import UUID

LARGEST = 4096
_CLEAR, _SET = ~((0xF << 76) | (0x3 << 62)), (0x4 << 76) | (0x2 << 62)


class _Pool(threading.local):
    """A thread's own. What was taken is not given again."""

    def __init__(self) -> None:
        self.read = BytesIO(os.urandom(LARGEST)).read


_pool = _Pool()


def random_bytes(size: int) -> bytes:
    """`LARGEST` bytes at most, as good as those of `os.urandom`."""
    taken = _pool.read(size)
    if len(taken) == size:
        return taken
    _pool.read = BytesIO(os.urandom(LARGEST)).read
    return _pool.read(size)


def random_hex(size: int) -> str:
    """As many bytes in hexadecimal."""
    return random_bytes(size).hex()


def random_uuid() -> UUID:
    """Version 4 (RFC 9562 5.4)."""
    return UUID(int=int.from_bytes(random_bytes(16), "big") & _CLEAR | _SET)


def _begin_anew() -> None:
    """A forked process must not give what its parent gives, too."""
    global _pool  # noqa: PLW0603
    _pool = _Pool()


os.register_at_fork(after_in_child=_begin_anew)
