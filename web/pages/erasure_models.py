"""What the pages about personal data show."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from web.pages.models import Confirm


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldLine:
    """A legal hold that stands. `member_id` empty: on everybody. `person` and `by` in words."""

    hold_id: str
    member_id: str = ""
    person: str
    matter: str
    by: str
    placed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """What may be done with one person's data. `keep`: why they can't be erased now, empty if they can."""

    member_id: str
    person: str
    erased: bool
    keep: str
    holds: tuple[HoldLine, ...]
    may_manage: bool
    matter: str = ""
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureForm:
    """The question before an erasure."""

    confirm: Confirm
    back: str
    request: str = ""
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldsView:
    """All holds of the account."""

    rows: tuple[HoldLine, ...]
    may_manage: bool
    matter: str = ""
    errors: dict[str, str] = field(default_factory=dict)
