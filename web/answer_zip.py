"""An answer about the past as one file with the events that it cites and their proofs, for the API and the pages."""

from __future__ import annotations

import io

from werkzeug.wrappers import Response

from domain.errors import Refused
from infrastructure.ledger.evidence import write_evidence
from infrastructure.ledger.sealing import newest
from infrastructure.past.answers import Answer
from infrastructure.past.moments import Connection
from infrastructure.settings import Settings
from web.asking import as_json

ZIP = "application/zip"
MOST_PROVED = 2_000


def answer_zip(settings: Settings, connection: Connection, account_id: str, answer: Answer) -> Response:
    """A download; `Grantbook-Unproved` counts the events that no checkpoint holds yet. `Refused`: nothing is signed, or it cites too many."""
    signed = newest(settings, connection)
    if signed is None:
        raise Refused("Nothing is signed yet: ask again in two seconds.")
    if len(answer.cited) > MOST_PROVED:
        raise Refused(f"The answer cites {len(answer.cited):,} events: ask for less, or export the ledger.")
    out = io.BytesIO()
    waiting = write_evidence(connection, signed, account_id, answer.cited, {"answer.json": as_json(answer)}, out)
    name = f'attachment; filename="{answer.question}-{answer.position}.zip"'
    return Response(out.getvalue(), content_type=ZIP, headers={"Content-Disposition": name, "Grantbook-Unproved": str(len(waiting))})
