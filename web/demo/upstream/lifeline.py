"""Ends this process when the one that started it is gone, however that one ended."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

POLL_SECONDS = 0.25
PATIENCE_SECONDS = 1.7
_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int, stop: Callable[[], None]) -> None:
    """Call `stop` once the parent is another process than `parent`; on Linux the kernel says so at once, everywhere a thread looks.

    The kernel's signal also comes when only the parent's thread that started us ends, so it is a reason to look, not to stop.
    """

    def look(*_: object) -> None:
        if os.getppid() != parent:
            stop()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        stop()

    signal.signal(signal.SIGHUP, look)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGHUP), 0, 0, 0)
    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def end_soon() -> None:
    """End the process after a last patience even if something still hangs."""

    def end() -> None:
        time.sleep(PATIENCE_SECONDS)
        os._exit(0)

    threading.Thread(target=end, name="last-patience", daemon=True).start()
