"""What an account's projects and scopes were by a moment: tells a question about one that never was from the answer that nobody could."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from domain.account import Account
from domain.scopes import DEFAULT_CATALOGUE, OFFLINE_ACCESS
from infrastructure.past.answers import Past
from infrastructure.past.moments import Moment, head

_PROJECTS = ("account.project_added", "account.project_renamed", "account.project_removed")
_SCOPES = "account.scope_catalogue_published"
_LISTED = 20


@dataclass(frozen=True, slots=True)
class Named:
    """By an event: the projects (names by id) and scopes that there were at the moments asked about, and the ids and scopes there had ever been."""

    position: int
    today: dict[str, str]
    projects: dict[str, tuple[str, ...]]
    scopes: tuple[str, ...]
    project_ids: frozenset[str]
    scope_codes: frozenset[str]

    def project(self, id_or_name: str) -> str | None:
        """Its id: from an id that there had been by then, a name at one of the moments, or today's name. None: there was none, or several."""
        if id_or_name in self.project_ids:
            return id_or_name
        found = [id_ for id_, names in self.projects.items() if id_or_name in names]
        found = found or [id_ for id_, name in self.today.items() if name == id_or_name and id_ in self.project_ids]
        return found[0] if len(found) == 1 else None

    def names(self, project_id: str) -> tuple[str, ...]:
        """What a project was called at the moments; nothing where it was gone."""
        return self.projects.get(project_id, ())

    def no_project(self, quoted: str, id_or_name: str) -> str:
        """Why `project` finds none."""
        several = [id_ for id_, names in self.projects.items() if id_or_name in names]
        if several:
            return f"Several projects were called {quoted}: ask for one by its ID, {' or '.join(several)}."
        there = _listed(name for names in self.projects.values() for name in names)
        return f"There had been no project {quoted} by event {self.position:,}. Projects then: {there}. One that was removed is asked for by its ID."

    def no_scope(self, quoted: str) -> str:
        """What to say where `scope_codes` lacks one."""
        there = _listed(code for code in self.scopes if code != OFFLINE_ACCESS)
        return f"There had been no scope {quoted} by event {self.position:,}. Scopes then: {there}."


def named_at(past: Past, today: Account, *moments: Moment) -> Named:
    """As of one moment, or of either of two. Before the first event of all nothing has a name: then, and at the newest moment, today's count too."""
    newest = head(past.connection)
    places = sorted(moment.position for moment in moments if moment.position) or [newest]
    names, scopes = dict[str, str](), tuple(scope.code for scope in DEFAULT_CATALOGUE)
    projects, offered, ever = dict[str, tuple[str, ...]](), dict[str, None](), set(scopes)
    told, ids = past.events([UUID(past.account_id)], places[-1], (*_PROJECTS, _SCOPES)), set[str]()
    for place in places:
        while told and told[0].position <= place:
            event = told.pop(0).event
            if event.TOPIC == _SCOPES:
                scopes = tuple(scope["code"] for scope in event.scopes)
            elif event.TOPIC == "account.project_removed":
                names.pop(event.project_id, None)
            else:
                names[event.project_id] = event.name
            ever.update(scopes)
            ids.update(names)
        if place >= newest:
            names, scopes = names | today.projects, tuple(dict.fromkeys((*scopes, *today.scopes)))
        for id_, name in names.items():
            projects[id_] = tuple(dict.fromkeys((*projects.get(id_, ()), name)))
        offered.update(dict.fromkeys(scopes))
    return Named(places[-1], today.projects, projects, tuple(offered), frozenset(ids | set(projects)), frozenset(ever | set(offered)))


def _listed(names: Iterable[str]) -> str:
    found = sorted(set(names))
    more = f" and {len(found) - _LISTED:,} more" if len(found) > _LISTED else ""
    return f"{', '.join(found[:_LISTED])}{more}" if found else "none"
