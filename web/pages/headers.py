"""The headers of every page: content security policy, no framing, no caching, no referrer."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from flask import g
from werkzeug.wrappers import Response

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action {form_action}; frame-ancestors 'none'; base-uri 'none'"
)
_VS_CODE: Final = ("vscode:", "vscode-insiders:", "http://127.0.0.1:*", "http://localhost:*")
_FORWARDS: Final = {"vscode.dev": _VS_CODE, "insiders.vscode.dev": _VS_CODE}
"""Hosts that send people on to a program on their computer within the same redirect."""
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*\Z")
_HOST: Final = re.compile(r"[a-z0-9.-]+\Z")


def allow_form_redirect(redirect_uri: str) -> None:
    """This page's form ends in a redirect to the app, and Chromium applies `form-action` to redirects."""
    host = urlsplit(redirect_uri).hostname or ""
    g.form_action = " ".join((_source(redirect_uri), *_FORWARDS.get(host, ())))


def _source(redirect_uri: str) -> str:
    """The origin as a CSP source; the scheme alone where an origin can't be written (private schemes, IPv6)."""
    parts = urlsplit(redirect_uri)
    if not _SCHEME.match(parts.scheme):
        return ""
    if parts.scheme not in ("http", "https") or not _HOST.match(parts.hostname or ""):
        return f"{parts.scheme}:"
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def apply(response: Response) -> Response:
    form_action = f"'self' {g.form_action}" if g.get("form_action") else "'self'"
    response.headers["Content-Security-Policy"] = _POLICY.format(form_action=form_action)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Frame-Options"] = "DENY"
    return response
