"""For whom a request is made and what it may reach: the assertion's statements after they were verified."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcp.server.mcpserver.exceptions import ToolError
from starlette.requests import Request

from web.demo.upstream.projects import Project

SCOPE_KEY = "grantbook.caller"
"""Where the ASGI scope holds the caller."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A member acting through a client under a grant, with the scopes and projects of this one request."""

    member_id: str
    client_id: str
    grant_id: str
    scopes: frozenset[str]
    projects: frozenset[str]


def caller_of(request: Request | None) -> Caller:
    """The caller that the middleware put beside the request; none means that it was bypassed, which must fail."""
    caller = None if request is None else request.scope.get(SCOPE_KEY)
    if not isinstance(caller, Caller):
        raise PermissionError("no verified caller stands beside this request")
    return caller


@dataclass(frozen=True, slots=True)
class Reach:
    """The projects that one call may touch, and how it chooses among them."""

    projects: tuple[Project, ...]

    def select(self, asked: str | Sequence[str] | None) -> tuple[Project, ...]:
        """The projects asked for by id or name, or all within reach."""
        if not self.projects:
            raise ToolError("This connection may use no project for this operation. Connect again and choose projects that you have access to.")
        if asked is None:
            return self.projects
        wanted = [asked] if isinstance(asked, str) else list(asked)
        if not wanted:
            raise ToolError("Name at least one project, or leave the argument out for all you may use.")
        return tuple(dict.fromkeys(self._find(text) for text in wanted))

    def one(self, asked: str | None) -> Project:
        """The one project asked for, or the only one within reach."""
        found = self.select(asked)
        if len(found) > 1:
            raise ToolError(f"Say which project: {self._listed()}.")
        return found[0]

    def _find(self, text: str) -> Project:
        by_id = [project for project in self.projects if project.id == text]
        found = by_id or [project for project in self.projects if project.name.casefold() == text.strip().casefold()]
        if len(found) != 1:
            shown = text[:80]
            raise ToolError(f'"{shown}" is not a project that this connection may use for this operation. Allowed: {self._listed()}.')
        return found[0]

    def _listed(self) -> str:
        return ", ".join(f"{project.name} ({project.id})" for project in self.projects)


def reach_of(caller: Caller, projects: tuple[Project, ...]) -> Reach:
    """The known projects that the assertion names."""
    return Reach(tuple(project for project in projects if project.id in caller.projects))
