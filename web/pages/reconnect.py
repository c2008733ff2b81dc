"""How the real clients are connected again: the steps of `reconnect_steps.json`, chosen by redirect URL and software id."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from web.pages.account_models import Reconnect, ReconnectStep
from web.pages.app_words import is_loopback

_FILE = Path(__file__).with_name("reconnect_steps.json")


@cache
def _clients() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(_FILE.read_text(encoding="utf-8")))


def _as_reconnect(client: dict[str, Any]) -> Reconnect:
    steps = tuple(ReconnectStep(**step) for step in client["steps"])
    return Reconnect(name=client["name"], steps=steps, sentence=client["sentence"])


def _fits(client: dict[str, Any], redirect_uri: str) -> bool:
    try:
        parts = urlsplit(redirect_uri)
        port = parts.port
    except ValueError:
        return False
    if is_loopback(redirect_uri):
        return port in client.get("loopback_ports", ()) or parts.path in client.get("loopback_paths", ())
    if parts.scheme == "https":
        return parts.hostname in client.get("hosts", ())
    return parts.scheme in client.get("schemes", ())


def steps_for(redirect_uris: tuple[str, ...], software_id: str = "") -> Reconnect | None:
    """The steps for the client that these redirect URLs or this software id belong to, None if none is known."""
    for client in _clients():
        if software_id and software_id in client.get("software_ids", ()):
            return _as_reconnect(client)
    for client in _clients():
        if any(_fits(client, uri) for uri in redirect_uris):
            return _as_reconnect(client)
    return None


def others(than: Reconnect | None) -> tuple[Reconnect, ...]:
    """Every other known client, for "A different app?"."""
    return tuple(_as_reconnect(client) for client in _clients() if than is None or client["name"] != than.name)
