"""How apps are used: counts by client and day, and for each consent when a scope was granted and when it was last used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeVar

from domain.ids import consent_stream
from domain.scopes import OFFLINE_ACCESS
from projections.events import Event, PersonalReader
from projections.folding import Folding
from projections.literals import uuid_or_none

COUNTS: Final = ("registrations", "consents", "tokens", "refreshes", "races", "reuses", "actions")
_REGISTRATIONS, _CONSENTS, _TOKENS, _REFRESHES, _RACES, _REUSES, _ACTIONS = range(len(COUNTS))
_DAY: Final = 86_400_000_000

TUse = TypeVar("TUse", bound=tuple[str, ...])


@dataclass(slots=True)
class SignIns:
    """Sign-ins of an account and a day."""

    succeeded: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Granted:
    """The scopes that a consent holds from now on. `given`: by a consent (member and client known); otherwise it can only have lost some."""

    consent_id: str
    account_id: str
    scopes: tuple[str, ...]
    at: int
    given: bool
    member_id: str | None = None
    client_stream: str | None = None


Consent = tuple[str, str, str]
"""Account, member, client stream."""

Use = tuple[str, str, str, str]
"""The same, and the scope."""


@dataclass(slots=True)
class Rows:
    """What a batch adds up to. Days are counted from 1970 UTC; times are microseconds.

    `days` and `sign_ins` by (account, client stream, day) and (account, day); a renewal only proves a use where `offline_access` was granted.
    """

    days: dict[tuple[str, str, int], list[int]] = field(default_factory=dict)
    sign_ins: dict[tuple[str, int], SignIns] = field(default_factory=dict)
    granted: dict[str, Granted] = field(default_factory=dict)
    used: dict[Use, int] = field(default_factory=dict)
    renewed: dict[Consent, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.days or self.sign_ins or self.granted or self.used or self.renewed)


@lru_cache(maxsize=16_384)
def consent_of(account_id: str, member_id: str, client_stream: str) -> str:
    """The consent under which a scope was used; those in use come again with each refresh."""
    return str(consent_stream(account_id, member_id, client_stream))


def fold(events: Iterable[Event], reader: PersonalReader) -> list[Rows]:
    """The steps to take, one after the other."""
    return _Fold(reader, Rows, _HANDLERS).fold(events)


class _Fold(Folding[Rows]):
    def day(self, event: Event, client: str) -> list[int]:
        key = (event.account_id, client, event.facts["timestamp"] // _DAY)
        found = self.rows.days.get(key)
        if found is None:
            found = self.rows.days[key] = [0] * len(COUNTS)
        return found

    def count(self, event: Event, what: int) -> None:
        client = event.facts["client_stream"]
        if client:
            self.day(event, client)[what] += 1

    def registered(self, event: Event) -> None:
        self.day(event, event.stream_id)[_REGISTRATIONS] += 1

    # ---- consents

    def given(self, event: Event) -> None:
        facts = event.facts
        alive = (OFFLINE_ACCESS,) if facts["keep_alive"] and OFFLINE_ACCESS in facts["requested"] else ()
        if (event.account_id, facts["member_id"], facts["for_client"]) in self.rows.renewed:
            self.flush()
        self.day(event, facts["for_client"])[_CONSENTS] += 1
        self.holds(event, (*facts["approved"], *alive), given=True, member_id=facts["member_id"], client_stream=facts["for_client"])

    def narrowed(self, event: Event) -> None:
        self.holds(event, (*event.facts["approved"], OFFLINE_ACCESS), given=False)

    def withdrawn(self, event: Event) -> None:
        self.holds(event, (), given=False)

    def holds(self, event: Event, scopes: tuple[str, ...], *, given: bool, member_id: str | None = None, client_stream: str | None = None) -> None:
        if event.stream_id in self.rows.granted:
            self.flush()
        once = tuple(dict.fromkeys(scopes))
        self.rows.granted[event.stream_id] = Granted(event.stream_id, event.account_id, once, event.time, given, member_id, client_stream)

    # ---- grants

    def exchanged(self, event: Event) -> None:
        self.count(event, _TOKENS)

    def refreshed(self, event: Event) -> None:
        facts = event.facts
        client, member = facts["client_stream"], facts["actor_id"]
        if client:
            day = self.day(event, client)
            day[_TOKENS] += 1
            day[_REFRESHES] += 1
            if member:
                self.used(self.rows.renewed, (event.account_id, member, client), facts["timestamp"])

    def replayed(self, event: Event) -> None:
        self.count(event, _TOKENS)
        self.count(event, _RACES)

    def reused(self, event: Event) -> None:
        self.count(event, _REUSES)

    # ---- actions and sign-ins

    def performed(self, event: Event) -> None:
        self.count(event, _ACTIONS)
        facts = event.facts
        member, client, scope = uuid_or_none(facts["actor_id"]), facts["client_stream"], facts["scope"]
        if member and client and scope and facts["outcome"] != "refused":
            self.used(self.rows.used, (event.account_id, member, client, scope), event.time)

    @staticmethod
    def used(uses: dict[TUse, int], use: TUse, at: int) -> None:
        if uses.get(use, -1) < at:
            uses[use] = at

    def signed_in(self, event: Event) -> None:
        self.sign_ins(event).succeeded += 1

    def failed(self, event: Event) -> None:
        self.sign_ins(event).failed += event.facts["count"]

    def sign_ins(self, event: Event) -> SignIns:
        return self.rows.sign_ins.setdefault((event.account_id, event.time // _DAY), SignIns())


_HANDLERS = {
    "client.registered": "registered",
    "consent.given": "given",
    "consent.narrowed": "narrowed",
    "consent.withdrawn": "withdrawn",
    "grant.code_exchanged": "exchanged",
    "grant.tokens_refreshed": "refreshed",
    "grant.refresh_replayed": "replayed",
    "grant.reuse_detected": "reused",
    "action.performed": "performed",
    "sign_in.succeeded": "signed_in",
    "sign_in.failed": "failed",
}

TOPICS = frozenset(_HANDLERS)
