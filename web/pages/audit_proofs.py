"""What proves the event that is opened: the newest checkpoint, the path from the event's hash to its root, and both as files."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for

from domain.errors import NotFound
from infrastructure.ledger import store
from infrastructure.ledger.bundle import proof_of
from infrastructure.ledger.sealing import newest_for
from infrastructure.ledger.verifier import NotProven, check_inclusion, leaf_hash
from web.pages import context
from web.pages.audit_models import EventProof

_STREAM = "application/octet-stream"


def proof(conn: Any, position: int) -> EventProof:
    """Whether the newest checkpoint, one that a witness cosigned where there is one, holds the event as its bytes stand in the database now."""
    signed = newest_for(context.grantbook().settings, conn, position)
    if signed is None or signed.size < position:
        return EventProof(state="waiting")
    ((_, leaf),) = store.entries(conn, position - 1, position)
    path = store.tree(conn, signed.size).inclusion(position - 1)
    try:
        check_inclusion(leaf_hash(leaf), position - 1, signed.size, path, signed.root)
    except NotProven:
        return EventProof(state="fails", size=signed.size, root=signed.root.hex())
    return EventProof(
        state="proved",
        size=signed.size,
        root=signed.root.hex(),
        signature=signed.note.partition("\n\n")[2].partition("\n")[0],
        path=tuple(step.hex() for step in path),
        files=tuple((words, url_for("settings.audit.proof", position=position, part=part)) for words, part in _FILES),
    )


_FILES = (("Event, byte for byte", "leaf"), ("Proof", "tlog-proof"))


def file(conn: Any, account_id: str, position: int, kind: str) -> Response:
    """The leaf or the proof of one event of the account (c2sp.org/tlog-proof)."""
    signed = newest_for(context.grantbook().settings, conn, position)
    if store.account_of(conn, position) != account_id:
        raise NotFound("There is no such event.")
    if signed is None or signed.size < position:
        raise NotFound("The event is in the log, not yet in a checkpoint: come back in two seconds.")
    leaf, proved = proof_of(conn, signed, position, account_id)
    body, media = (leaf, _STREAM) if kind == "leaf" else (proved.encode(), "text/plain; charset=utf-8")
    return Response(
        body, content_type=media, headers={"Content-Disposition": f'attachment; filename="{position}.{kind}"', "Cache-Control": "no-store"}
    )
