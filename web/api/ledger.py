"""The ledger: what was signed, by which key, what was checked, where checkpoints are kept. The log is the whole store's."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from infrastructure.ledger import store
from infrastructure.ledger.deposits.state import places
from infrastructure.ledger.sealing import name_of
from infrastructure.ledger.standing import standing
from infrastructure.ledger.store import Signed
from infrastructure.ledger.whole_check import last_verified
from infrastructure.views_check import last_check
from web.api import context, paging
from web.api.blueprints import new_blueprint
from web.api.guard import reads
from web.schemas import ledger as shapes
from web.schemas.common import ListQuery, ReadQuery

blueprint = new_blueprint("ledger", "What was signed over the record, and the key to check it with.")

_CHECKPOINTS: Final = "checkpoints"


@blueprint.route("/ledger")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.Ledger)
def show_ledger(_: dict[str, Any]) -> Any:
    """Show the newest checkpoint, the public key, and whether anything is wrong."""
    settings = context.grantbook().settings
    with context.views() as conn:
        log, verified, views = standing(settings, conn), last_verified(conn), last_check(conn)
        kept = [asdict(place) for place in places(settings, conn)]
    return {
        "origin": log.origin,
        "vkeys": log.vkeys,
        "state": log.state,
        "refused": log.refused,
        "waiting": log.waiting,
        "checkpoint": None if log.newest is None else _shown(log.newest),
        "verified": None if verified is None else asdict(verified),
        "views": None if views is None else asdict(views),
        "places": kept,
    }


@blueprint.route("/ledger/checkpoints")
@reads()
@blueprint.arguments(ListQuery, location="query")
@blueprint.response(200, shapes.CheckpointPage)
def list_checkpoints(query: dict[str, Any]) -> Any:
    """List the checkpoints, the newest first."""
    limit = query["limit"]
    with context.views() as conn:
        log = name_of(context.grantbook().settings, conn)
        found = store.newest_first(conn, log, paging.after(_CHECKPOINTS, query.get("cursor")), limit + 1)
    return paging.page(_CHECKPOINTS, [_shown(each) for each in found], limit, lambda each: int(each["size"]))


def _shown(signed: Signed) -> dict[str, Any]:
    return {"size": signed.size, "root": signed.root.hex(), "note": signed.note, "signed_at": signed.at}
