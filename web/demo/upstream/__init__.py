"""The demo's protected resource: a real MCP server over generated data, reached only through the gateway."""

from __future__ import annotations

import os

STARTED_BY = os.getppid()
"""The parent, noted before anything slow is imported, so that one which ends meanwhile is missed."""
