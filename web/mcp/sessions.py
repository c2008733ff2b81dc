"""The gateway's own MCP session ids: random, stored as a hash, bound to the grant that began them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from application.ports import Tables
    from web.mcp.deciders import Deciders

SESSION_HEADER = "Mcp-Session-Id"


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions in the table `gateway_sessions`; whoever has an id of another grant has nothing."""

    tables: Callable[[], Tables]
    deciders: Deciders

    def begin(self, account_id: str, grant_id: str, upstream_session: str) -> str:
        """A new id of ours for the upstream's."""
        ours = secrets.token_urlsafe(24)
        self.deciders.do(lambda: self.tables().add_gateway_session(hashed(ours), account_id, grant_id, upstream_session))
        return ours

    def upstream_session(self, session_id: str, grant_id: str) -> str | None:
        """The upstream's session id behind ours, or None if it is not a session of this grant."""
        found = self.deciders.do(lambda: self.tables().gateway_session(hashed(session_id)))
        return found[1] if found is not None and found[0] == grant_id else None

    def end(self, session_id: str) -> None:
        self.deciders.do(lambda: self.tables().remove_gateway_session(hashed(session_id)))


def hashed(session_id: str) -> bytes:
    """How a session id is stored."""
    return hashlib.sha256(session_id.encode(errors="surrogatepass")).digest()
