"""What the permission function said at certain versions of the streams that a grant stands on: the same versions, the same answer."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime

from domain.access import Access, EndReason, Standing, Terms, access, barred, ended_itself, terms
from domain.grant import Grant

Versions = tuple[int, int, int, int]
NOTHING = Access({})


@dataclass(frozen=True, slots=True)
class Known:
    """`barred` says why the grant gives nothing whatever the time is; `access` is what it gives otherwise, for as long as its `terms` say."""

    versions: Versions
    barred: EndReason | None
    access: Access
    terms: Terms

    def ended(self, grant: Grant, now: datetime) -> EndReason | None:
        """`domain.access.why_ended`, with what is known of these versions."""
        return ended_itself(grant) or self.barred or self.terms.over(grant, now)


class KnownAccess:
    """Remembers the last answer for each of `size` grants. An answer holds for the very versions it was computed from and for no others.

    Nothing that a grant records after its first event changes what it may do, but for its end, which is never asked here.
    """

    def __init__(self, size: int = 50_000) -> None:
        self._size = size
        self._known: dict[int, Known] = {}
        self._shared: dict[tuple[tuple[str, tuple[str, ...] | None], ...], Access] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def of(self, standing: Standing) -> Known:
        """What holds for these five states."""
        number: int = standing.grant.id.int
        versions = standing.judged
        known = self._known.get(number)
        return known if known is not None and known.versions == versions else self._learn(number, versions, standing)

    def _learn(self, number: int, versions: Versions, standing: Standing) -> Known:
        reason = barred(standing)
        found = NOTHING if reason else access(standing)
        with self._lock:
            found = self._shared.setdefault(tuple(found.scopes.items()), found)
            known = self._known[number] = Known(versions, reason, found, terms(standing))
            for remembered in (self._known, self._shared):
                while len(remembered) > self._size:
                    del remembered[next(iter(remembered))]  # type: ignore[arg-type]  # a key of its own dictionary
        return known
