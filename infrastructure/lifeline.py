"""A child process that never outlives its parent, not even one that was killed: the kernel's death signal, and a look at the parent's id."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_S = 0.5
_GRACE_S = 4.0


def end_with_parent(parent: int, *, gently: bool = True) -> None:
    """Watch `parent`, the id of the process that started this one; once it is gone, SIGTERM to ourselves, then the end without more ado."""
    if sys.platform == "linux" and gently:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    threading.Thread(target=_watch, args=(parent, gently), name="lifeline", daemon=True).start()


def _watch(parent: int, gently: bool) -> None:  # noqa: FBT001  # a thread's argument
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    if gently:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_S)
    os._exit(1)
