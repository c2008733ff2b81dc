"""The gateway's own MCP session ids: random, stored as a hash, bound to the grant that began them."""

from __future__ import annotations

import hashlib

from application.ports import Tables

SESSION_HEADER = "Mcp-Session-Id"


def hashed(session_id: str) -> bytes:
    """How a session id is stored."""
    return hashlib.sha256(session_id.encode()).digest()


def upstream_session(table: Tables, session_id: str, grant_id: str) -> str | None:
    """The upstream's session id behind ours, or None if it is not a session of this grant."""
    found = table.gateway_session(hashed(session_id))
    return found[1] if found is not None and found[0] == grant_id else None
