"""The short way through the layers around the front: what each of them would do with a request, without a WSGI dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.http import parse_list_header
from werkzeug.middleware.proxy_fix import ProxyFix

from web.access_log import AccessLog
from web.front import Front, Way
from web.oauth.answers import lines_of

_NAMES = ("Authorization", "Content-Type", "Host", "If-None-Match", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host")
_IN_SMALL_LETTERS = [(name, name.lower().encode()) for name in _NAMES]


class Short:
    """`name` is the request log's, `extra` are lines of every answer."""

    __slots__ = ("_fix", "_front", "extra", "name")

    def __init__(self, log: AccessLog, front: Front, fix: ProxyFix | None) -> None:
        self._front, self._fix = front, fix
        self.name, self.extra = log.name, lines_of(front.extra)

    @classmethod
    def within(cls, outermost: Any) -> Short | None:
        """None where there is a layer that isn't known here."""
        if type(outermost) is not AccessLog:
            return None
        inner: Any = outermost.inner
        if type(inner) is ProxyFix and type(inner.app) is Front and not (inner.x_port or inner.x_prefix):
            return cls(outermost, inner.app, inner)
        return cls(outermost, inner, None) if type(inner) is Front else None

    def way(self, method: str, path: str, headers: Mapping[bytes, bytes], peer: str | None) -> tuple[Way | None, str | None]:
        """The front's way for requests with these headers, and who asks. The scheme that a proxy tells changes nothing here."""
        named = {name: headers[key].decode("latin-1") for name, key in _IN_SMALL_LETTERS if key in headers}
        if self._fix is not None:
            named["Host"] = _told(named, "X-Forwarded-Host", self._fix.x_host) or named.get("Host", "")
            peer = _told(named, "X-Forwarded-For", self._fix.x_for) or peer
        return self._front.way(method, path, named, peer), peer


def _told(headers: Mapping[str, str], name: str, hops: int) -> str | None:
    """What the farthest of the trusted proxies said, as ProxyFix reads it; None where fewer have spoken."""
    value = headers.get(name)
    if not hops or not value:
        return None
    values = parse_list_header(value) if '"' in value or "," in value else [value.strip(" \t")]
    return values[-hops] if len(values) >= hops else None
