"""The WSGI environment of a request (PEP 3333) from its ASGI scope and its body."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes

_SAME: Final[Mapping[str, Any]] = {
    "SCRIPT_NAME": "",
    "wsgi.version": (1, 0),
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}
_LONGEST_KEPT = 64
"""Bytes of a name that is remembered: a client may send names of as many as a head has."""


def environ_of(scope: Mapping[str, Any], body: bytes) -> dict[str, Any]:
    """`body` is what was read of the request's. Paths and headers are bytes in Latin-1's clothes, as PEP 3333 wants them.

    A header with an underscore in its name is left out: it would pass for the one with a hyphen, which a proxy in front may have checked.
    """
    path: bytes = scope["raw_path"]
    server, client = scope["server"] or ("", None), scope["client"]
    environ: dict[str, Any] = {
        **_SAME,
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    if client is not None:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
    for name, value in scope["headers"]:
        key = _in_environ(name) if len(name) <= _LONGEST_KEPT else _key(name)
        if key is not None:
            text = value.decode("latin-1")
            environ[key] = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}" if key in environ else text
    if environ.pop("HTTP_TRANSFER_ENCODING", None) is not None:
        environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _key(name: bytes) -> str | None:
    """The name of a header in the environment, if it has one there."""
    if b"_" in name:
        return None
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"


_in_environ = lru_cache(1024)(_key)
