"""What follows a deed: wait up to a second until the views show it, then a notice with its event on the next page."""

from __future__ import annotations

import time
from typing import Final

from application.ports import Recorded
from projections.status import wait_until
from web.pages import context
from web.pages.formatting import number
from web.pages.frame import notify
from web.pages.models import Kind, Notice

PATIENCE: Final = 1.0


def done(recorded: Recorded | None, strong: str, text: str = "", *, kind: Kind = "ok", linked: bool = True) -> None:
    """Say what was done and which event it is; where the views lag, that they will show it in a moment."""
    if recorded is None:
        notify(Notice(strong=strong, text=text, kind=kind, image="info" if kind == "" else "check"))
        return
    begun = time.monotonic()
    position = context.services().store.position_of(recorded, PATIENCE)
    if position is None:
        notify(Notice(text="Recorded. This page will show it in a moment."))
        return
    with context.views() as conn:
        shown = wait_until(conn, position, max(0.0, begun + PATIENCE - time.monotonic()))
    if shown:
        notify(Notice(strong=strong, text=text, kind=kind, image="check", event=position, event_linked=linked))
    else:
        notify(Notice(text=f"Recorded as event {number(position)}. This page will show it in a moment."))
