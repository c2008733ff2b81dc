"""View models of the pages about projects."""

from __future__ import annotations

from dataclasses import dataclass, field

from web.pages.models import HistoryEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectLine:
    """A project, with how many people hold something in it and how many apps somebody allows there."""

    project_id: str
    name: str
    people: int
    apps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectsView:
    rows: tuple[ProjectLine, ...]
    history: tuple[HistoryEntry, ...]
    may_manage: bool
    typed: str = ""
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameView:
    """A project's name, as it is or as typed so far."""

    project_id: str
    name: str
    typed: str
    errors: dict[str, str] = field(default_factory=dict)
