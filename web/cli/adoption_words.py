"""What `grantbook ledger adopt` tells: what was found, what it is going to do, what it has done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infrastructure.ledger.adoption import Adopted, Copy


NOTHING = (
    "Nothing is to be adopted: this cluster kept the order, and no checkpoint outside is ahead of this database. "
    "If you know that it was set back, say so with --set-back."
)


def found(copy: Copy) -> Iterator[str]:
    """The state of the database, and of what is kept outside."""
    if copy.unfinished:
        yield "An adoption began and did not end; this one finishes it."
    if copy.foreign is not None:
        yield copy.foreign.partition(" Run ")[0]
    signed = f"a checkpoint of {copy.signed.size:,}" if copy.signed else "no checkpoint"
    yield f"The log is {copy.log}. This database holds {copy.positioned:,} positioned events, {copy.unpositioned:,} without a position, and {signed}."
    if not copy.outside:
        yield "No checkpoint is kept outside the database, so nobody can tell from here whether later events are lost."
    yield from copy.silent
    for place, checkpoint in copy.outside:
        yield f"The checkpoint {place} is one of {checkpoint.size:,} entries of {checkpoint.origin}."
        lost = checkpoint.size - copy.positioned - copy.unpositioned
        if lost > 0:
            yield f"So {lost:,} or more of them are lost. If there is a newer copy, stop here, restore that one, and adopt it instead."


def question(copy: Copy, *, keep_sessions: bool) -> str:
    """What is about to be done."""
    sessions = "keep every session" if keep_sessions else "end every session (each app connects anew)"
    log = "go on with the log if nothing that was signed is lost, else begin the next one" if copy.outside else "begin the next log"
    return f"Place what has no position in its old order, erase again whoever was erased, {sessions}, {log}?"


def done(adopted: Adopted) -> str:
    """What has been done."""
    facts = adopted.facts
    log = f"The log goes on as {facts['log']}."
    if facts["log"] != facts["old_log"]:
        upto = f"with the {facts['size']:,} entries of {facts['old_log']}" if facts["size"] else f"after {facts['old_log']}, which had signed nothing"
        lost = f" {facts['lost']:,} entries of it are lost." if facts["lost"] else ""
        log = f"The new log {facts['log']} begins {upto}.{lost} Tell whoever holds a checkpoint of the old one."
    sessions = f"{adopted.sessions:,} sessions ended." if facts["sessions_ended"] else "Sessions go on."
    erased = f", {adopted.erased:,} people erased again" if adopted.erased else ""
    return f"Adopted: {facts['placed']:,} events placed{erased}. {sessions} {log}"
