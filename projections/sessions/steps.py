"""The steps that events become: which rows to add, move, end or narrow, and what must happen before or after them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Moved:
    """What happened to one session since the last step; None where nothing did. Times in microseconds."""

    exchanged_at: int | None = None
    issued_at: int | None = None
    generation: int | None = None
    access_ttl: int | None = None
    scope: str | None = None
    refreshes: int = 0
    races: int = 0
    streak: int | None = None
    used_at: int | None = None
    user_agent: str | None = None
    expired_at: int | None = None
    expired_which: str | None = None

    @property
    def revived(self) -> bool:
        """Tokens were issued and it has not expired since."""
        return self.issued_at is not None and self.expired_at is None

    @property
    def renewed(self) -> bool:
        """It was refreshed and no more."""
        only = self.exchanged_at is None and self.streak is None and self.expired_at is None
        return only and self.refreshes > 0 and self.used_at == self.issued_at


@dataclass(frozen=True, slots=True)
class Ended:
    """What ended one session, for good."""

    grant_id: str
    at: int
    reason: str
    by: str
    actor: str | None
    note: str | None
    note_of: str | None
    position: int


@dataclass(frozen=True, slots=True)
class Ending:
    """What ends every session that pinned an older version: of a consent, client, member, app (fingerprint) or resource."""

    account_id: str
    kind: str
    key: str
    version: int
    at: int
    reason: str
    by: str
    actor: str | None
    note: str | None
    note_of: str | None
    position: int


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A consent as it holds from `version` on; sessions that pinned an older version keep no more than this."""

    consent_id: str
    version: int
    approved: tuple[str, ...]
    projects: tuple[str, ...] | None
    position: int


@dataclass(frozen=True, slots=True)
class Relabelled:
    """A client that belongs to another app from now on."""

    account_id: str
    client_stream: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A member who was erased: what their sessions hold about them goes, and the reasons they gave."""

    account_id: str
    member_id: str


@dataclass(slots=True)
class Rows:
    """Row changes that don't depend on each other's order."""

    clients: dict[str, tuple[str, str]] = field(default_factory=dict)
    new: dict[str, dict[str, Any]] = field(default_factory=dict)
    moved: dict[str, Moved] = field(default_factory=dict)
    ended: dict[str, Ended] = field(default_factory=dict)
    narrowed: dict[str, Narrowing] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.clients or self.new or self.moved or self.ended or self.narrowed)


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """Changes to what the account allows: the columns that change, by account."""

    account_id: str
    values: dict[str, int | bool]


Step = Rows | Ending | Relabelled | AccountTerms | Scrubbed
