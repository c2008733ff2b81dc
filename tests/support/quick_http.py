"""Tests open hundreds of HTTP clients to servers of their own: the certificate authorities that each could trust are read once."""

from __future__ import annotations

import importlib
import os
import ssl
from collections.abc import Callable
from functools import cache
from typing import Any

_transport: Any = importlib.import_module("httpx._transports.default")
_make: Callable[..., ssl.SSLContext] = _transport.create_ssl_context


def read_authorities_once() -> None:
    """From now on, in this process. httpx reads all of them for every client, 30 ms each, whatever the URLs are."""
    _transport.create_ssl_context = _context


def _context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    usual = verify is True and cert is None and not (trust_env and {"SSL_CERT_FILE", "SSL_CERT_DIR"} & os.environ.keys())
    return _usual() if usual else _make(verify=verify, cert=cert, trust_env=trust_env)


@cache
def _usual() -> ssl.SSLContext:
    return _make(trust_env=False)
