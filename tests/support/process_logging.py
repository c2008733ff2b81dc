"""Keeps the process's logging as it was: structlog, the root logger, and where JSON lines go."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import structlog

from infrastructure import logs


@contextlib.contextmanager
def process_logging_kept() -> Iterator[None]:
    """Put back in the end what stood at the start."""
    root, lines = logging.getLogger(), logs._json_lines
    handlers, level, disabled, configured = root.handlers[:], root.level, root.manager.disable, structlog.get_config()
    was_configured = structlog.is_configured()
    try:
        yield
    finally:
        root.handlers[:], root.manager.disable, logs._json_lines = handlers, disabled, lines
        root.setLevel(level)
        if was_configured:
            structlog.configure(**configured)
        else:
            structlog.reset_defaults()
