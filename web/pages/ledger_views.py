"""Builds the page about the ledger."""

from __future__ import annotations

import re
from datetime import timedelta
from shlex import quote
from typing import Any, Final

from flask import url_for

from infrastructure.ledger import store, whole_check
from infrastructure.ledger.deposits.state import PlaceState, places
from infrastructure.ledger.standing import Standing, standing
from infrastructure.ledger.store import Signed
from infrastructure.ledger.whole_check import Progress
from infrastructure.views_check import last_check
from web.pages import context
from web.pages.formatting import counted, duration
from web.pages.ledger_models import CheckpointRow, LedgerView, NewestCheckpoint, PlaceRow
from web.pages.models import Kind, Notice, Pager

SOUND: Final = "Every event is what was recorded and signed."
_PAGE_SIZE: Final = 25
_SILENT_AFTER: Final = timedelta(minutes=1)
_KINDS: Final = {
    "different": "not what was hashed",
    "missing": "in the order, but gone",
    "gap": "positions missing from the order",
    "unpositioned": "without a place in the order",
    "version_gap": "streams with a version missing",
    "time": "earlier than the one before",
    "checkpoint": "checkpoints that do not fit",
    "sum": "sums of an account that do not fit",
}
_PLACES: Final = {"folder": "Folder", "witness": "Witness", "timestamp": "Timestamp", "git": "Git repository"}


def view_of(conn: Any, before: str, *, may_manage: bool) -> LedgerView:
    settings = context.grantbook().settings
    log, verified, running = standing(settings, conn), whole_check.last_verified(conn), whole_check.progress(conn)
    smaller = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    found = store.newest_first(conn, log.origin, smaller, _PAGE_SIZE + 1)
    return LedgerView(
        state=log.state,
        notice=_notice(log),
        origin=log.origin,
        vkeys=log.vkeys,
        waiting=log.waiting,
        newest=NewestCheckpoint(row=_row(log.newest), note=log.newest.note) if log.newest else None,
        rows=tuple(_row(each) for each in found[:_PAGE_SIZE]),
        pager=_pager(found, smaller),
        commands=_commands(log),
        verified=verified,
        findings=tuple((_KINDS.get(kind, kind), count) for kind, count in sorted(verified.findings.items())) if verified else (),
        running=running,
        share=_share(running),
        silent=running is not None and context.services().clock() - running.heard > _SILENT_AFTER,
        views=last_check(conn),
        check_every=settings.verify_views_hours,
        places=tuple(_place(each) for each in places(settings, conn)),
        may_manage=may_manage,
    )


def _row(signed: Signed) -> CheckpointRow:
    return CheckpointRow(size=signed.size, root=signed.root.hex(), at=signed.at, url=url_for("settings.ledger.checkpoint", size=signed.size))


def _notice(log: Standing) -> Notice | None:
    """What is wrong, and what to do."""
    if log.state == "refused":
        return Notice(strong="Nothing is signed.", text=_quoted(log.refused or ""), kind="bad", image="warning")
    if log.state == "unknown_key":
        text = "GRANTBOOK_LEDGER_KEY differs between whoever signs and this server: give all processes the same list, the newest key first."
        return Notice(strong="The newest checkpoint is signed by no key that this server knows.", text=text, kind="bad", image="warning")
    if log.state == "late":
        strong = f"{counted(log.waiting, 'event')} without a checkpoint, the oldest for {duration(log.waiting_seconds)}."
        text = "The leading projector signs: see that one runs (grantbook projector, or serve without --no-projector), and what its log says."
        return Notice(strong=strong, text=text, kind="warn", image="warning")
    return None


def _quoted(text: str) -> str:
    """A message for the terminal, with its commands in quotes."""
    return re.sub(r"`([^`]*)`", "\u201c\\1\u201d", text)


def _pager(found: list[Signed], smaller: int | None) -> Pager:
    shown, here = found[:_PAGE_SIZE], url_for("settings.ledger.show")
    return Pager(
        words=counted(len(shown), "checkpoint") + (", newest first" if len(shown) > 1 else ""),
        older=f"{here}?before={shown[-1].size}#checkpoints" if len(found) > len(shown) else "",
        newer=f"{here}#checkpoints" if smaller is not None else "",
        newer_words="Newest",
    )


def _commands(log: Standing) -> str:
    """What an auditor runs, with the key in it."""
    whose = f" --account {quote(context.account().slug)}" if context.grantbook().directory.by_host else ""
    return "\n".join((
        "grantbook ledger verifier -o verifier.py",
        f"grantbook ledger export{whose} -o all.zip",
        f"python verifier.py bundle all.zip --vkey {quote(log.vkeys[0])} --since KEPT_CHECKPOINT",
    ))  # fmt: skip


def _share(running: Progress | None) -> int:
    """Of a hundred."""
    return 0 if running is None or not running.to_read else min(100, 100 * running.read // running.to_read)


def _place(place: PlaceState) -> PlaceRow:
    word, kind = _place_state(place)
    return PlaceRow(place=place, what=_PLACES[place.kind], word=word, kind=kind)


def _place_state(place: PlaceState) -> tuple[str, Kind]:
    if place.stops_signing:
        return "Ahead of this database", "bad"
    if place.failing_since is not None:
        return "Failing", "warn"
    if place.another_log is not None:
        return "Another log, too", "warn"
    return ("Kept", "ok") if place.size is not None else ("Nothing yet", "")
