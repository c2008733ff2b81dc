"""How much may go on at once, so that one connection never takes what all others need."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

CALLS_OF_A_GRANT = 32
STREAMS, STREAMS_OF_A_GRANT = 96, 8


@dataclass(slots=True)
class Slots:
    """Counts what is open: of one grant, and in this process."""

    of_a_grant: int
    in_all: int | None = None
    _open: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, grant_id: str) -> bool:
        """Whether one more may be opened; it is then counted until `give_back`."""
        with self._lock:
            full = self.in_all is not None and sum(self._open.values()) >= self.in_all
            if full or self._open.get(grant_id, 0) >= self.of_a_grant:
                return False
            self._open[grant_id] = self._open.get(grant_id, 0) + 1
            return True

    def give_back(self, grant_id: str) -> None:
        """One is closed."""
        with self._lock:
            self._open[grant_id] -= 1
            if not self._open[grant_id]:
                del self._open[grant_id]

    @property
    def empty(self) -> bool:
        """Whether nothing is open."""
        return not self._open
