"""What the page shows that explains one answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from infrastructure.past.questions import QUESTIONS
from web.pages.models import Choice


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainForm:
    """The fields as they were filled; `when` words the moment that they mean."""

    user: str = ""
    clients: tuple[Choice, ...] = ()
    scopes: tuple[Choice, ...] = ()
    projects: tuple[Choice, ...] = ()
    position: str = ""
    date: str = ""
    time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition of the permission function; `position` None: no event changed it, time did. `topic` is what the event was."""

    words: str
    holds: bool
    position: int | None
    topic: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One session with its conditions, those that failed first."""

    grant_id: str
    failing: int
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """The answer. `where` is the project's name, empty where none was asked about; `topic` None: another account's event.

    `made_by`: of what was allowed, the events that it stood on, by what each shows (`consent`, `permission` and so on).
    """

    allowed: bool
    says: str
    person: str
    member_id: str
    app: str
    client_id: str
    client_stream: str
    scope: str
    where: str
    position: int
    at: datetime
    topic: str | None
    sessions: tuple[Judged, ...]
    made_by: tuple[tuple[str, tuple[int, ...]], ...]
    proof_url: str
    replay_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainView:
    """The form, what was wrong with it, and the answer if there is one. `note`: how to read it."""

    form: ExplainForm
    errors: dict[str, str] = field(default_factory=dict)
    answer: Explained | None = None
    note: str = QUESTIONS["explain"].note
