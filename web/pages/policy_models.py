"""View models of the policy page: two forms, as they stand or as typed so far, and what another policy would have meant."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from web.pages.models import Choice, HistoryEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """A radio button of the registration policy."""

    value: str
    words: str
    detail: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationForm:
    modes: tuple[Mode, ...]
    hosts: str
    software_ids: str
    scopes: tuple[Choice, ...]
    per_hour: str
    total: str
    reap_days: str
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """A length of time as a number and a unit (`s`, `m`, `h`, `d`), with what it is and what changing it does to sessions that exist."""

    name: str
    label: str
    number: str
    unit: str
    words: str
    hint: str
    existing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionForm:
    lengths: tuple[Length, ...]
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldRefuse:
    """An app that the policy as typed would have refused, and what it would have been told."""

    page_id: str
    name: str
    why: str
    people: int
    registered_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the policy as typed would have meant; `refused` holds the first of `refused_in_all`."""

    sentence: str
    refused: tuple[WouldRefuse, ...]
    refused_in_all: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    included: bool
    plan: str
    may_manage: bool
    registration: RegistrationForm
    sessions: SessionForm
    warnings: tuple[str, ...]
    per_address: int
    history: tuple[HistoryEntry, ...]
    answer: Answer | None = None
