"""Ends a test process in which a test hangs beyond its timeout, as its fixtures may: xdist reports the test and goes on without it."""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Generator

import pytest


class Stuck:
    """A plugin. pytest's own `faulthandler_timeout` stops watching as soon as a test has failed."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._stderr = seconds, os.dup(sys.stderr.fileno())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        faulthandler.dump_traceback_later(self._seconds, exit=True, file=self._stderr)
        try:
            return (yield)
        finally:
            faulthandler.cancel_dump_traceback_later()
