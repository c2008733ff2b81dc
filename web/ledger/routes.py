"""GET /ledger/checkpoint[/witnessed] and /ledger/tile/…: static to whoever reads them, made from the database."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Final

from flask import Blueprint, Response, current_app

from infrastructure.bootstrap import App
from infrastructure.ledger import store
from infrastructure.ledger.sealing import newest, witnessed
from infrastructure.ledger.tree import MOST_LEVELS, WIDTH, index_of, width_of
from infrastructure.settings import Settings
from web.ledger.readers import may_read_entries

blueprint = Blueprint("ledger", __name__, url_prefix="/ledger")

_TILE: Final = re.compile(r"(?P<level>0|[1-9][0-9]?|entries)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?\Z")
_FOR_EVER: Final = "max-age=31536000, immutable"


@blueprint.get("/checkpoint")
def checkpoint() -> Response:
    """The newest checkpoint, a signed note with the cosignatures that it has."""
    return _note(newest, "Nothing has been signed yet: a checkpoint follows the first event within two seconds.\n")


@blueprint.get("/checkpoint/witnessed")
def witnessed_checkpoint() -> Response:
    """The newest checkpoint that a witness has cosigned."""
    return _note(witnessed, "No witness has cosigned a checkpoint of this log yet: /ledger/checkpoint is the newest.\n")


def _note(find: Callable[[Settings, store.Connection], store.Signed | None], none: str) -> Response:
    app = _app()
    with app.views() as connection:
        signed = find(app.settings, connection)
    return _text(none, 404) if signed is None else _text(signed.note)


@blueprint.get("/tile/<path:path>")
def tile(path: str) -> Response:
    """The hashes of a tile, 32 bytes each; or a bundle of entries."""
    found = _TILE.match(path)
    index = index_of(found["index"]) if found else None
    if found is None or index is None or index >= 1 << 55:
        return _text("That is no path of a tile: see c2sp.org/tlog-tiles.\n", 404)
    width = int(found["width"] or WIDTH)
    level = 0 if found["level"] == "entries" else int(found["level"])
    app = _app()
    with app.views() as connection:
        signed = newest(app.settings, connection)
        there = 0 if signed is None or level >= MOST_LEVELS else width_of(signed.size, level, index)
        if width > there or (found["width"] and width == WIDTH):
            return _text("The log has no such tile, or not so much of it yet.\n", 404)
        if found["level"] != "entries":
            return _binary(b"".join(store.tile(connection, level, index, width)), "public")
        if not may_read_entries(app):
            return _text("Entries are for those who may read the audit log of the store's only account: sign in, or export them.\n", 403)
        leaves = store.entries(connection, index * WIDTH, index * WIDTH + width)
        return _binary(b"".join(struct.pack(">H", len(leaf)) + leaf for _, leaf in leaves), "private")


def _app() -> App:
    app: App = current_app.extensions["grantbook"]
    return app


def _binary(body: bytes, whose: str) -> Response:
    response = Response(body, content_type="application/octet-stream")
    response.headers["Cache-Control"] = f"{whose}, {_FOR_EVER}"
    response.headers["Access-Control-Allow-Origin"] = "*" if whose == "public" else "null"
    return response


def _text(body: str, status: int = 200) -> Response:
    response = Response(body, status, content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = "public, max-age=2" if status == 200 else "no-store"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
