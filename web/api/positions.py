"""Read-your-writes: the position that a write answers, and `min_position` that a read waits for."""

from __future__ import annotations

import base64
import binascii
import time
from typing import Any, Final
from uuid import UUID

from application.ports import Recorded
from application.services import Services
from projections.status import lag, wait_for_event, wait_until
from web.api.problems import Problem

HEADER: Final = "Grantbook-Position"
LAG_HEADER: Final = "Grantbook-Lag"
PATTERN: Final = r"^([0-9]{1,18}|ev_[A-Za-z0-9_-]{32})$"
PATIENCE: Final = 1.0
_TOKEN: Final = "ev_"  # noqa: S105  # a prefix, no secret


def of(services: Services, recorded: Recorded) -> str:
    """The position, or an opaque token for it where the order is slow; `min_position` takes both."""
    position = services.store.position_of(recorded, PATIENCE)
    return str(position) if position is not None else token(recorded)


def token(recorded: Recorded) -> str:
    return _TOKEN + base64.urlsafe_b64encode(recorded.stream_id.bytes + recorded.version.to_bytes(8, "big")).decode()


def wait_for(services: Services, conn: Any, account_id: str, wanted: str) -> None:
    """Wait up to a second until the views hold what was asked for. Another account's event is as unknown as one that was never recorded."""
    begun = time.monotonic()
    position = _position(services, conn, account_id, wanted)
    left = max(0.0, begun + PATIENCE - time.monotonic())
    if position is None or not wait_until(conn, position, left):
        raise Problem("not-yet-visible", "Try again in a moment.", headers={"Retry-After": "1"})


def headers(conn: Any) -> dict[str, str]:
    """What the views hold at least, and how many seconds they are behind."""
    found = lag(conn)
    return {HEADER: str(found.position), LAG_HEADER: f"{min(found.seconds, 1e9):.3f}"}


def _position(services: Services, conn: Any, account_id: str, wanted: str) -> int | None:
    if not wanted.startswith(_TOKEN):
        return int(wanted)
    try:
        raw = base64.urlsafe_b64decode(wanted[len(_TOKEN) :])
    except binascii.Error:
        raw = b""
    if len(raw) != 24 or raw[16] & 0x80:
        raise Problem("invalid-input", errors=[{"parameter": "min_position", "detail": "This is no position."}])
    stream_id, version = UUID(bytes=raw[:16]), int.from_bytes(raw[16:], "big")
    services.store.position_of(Recorded(stream_id, version), 0)  # wakes the sequencer; whose event it is, is asked below
    return wait_for_event(conn, account_id, stream_id, version, PATIENCE)
