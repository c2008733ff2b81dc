"""Tools of the scope account:read: the account and its projects."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from web.demo.upstream.dataset import FIRST_DAY
from web.demo.upstream.metrics import METRICS
from web.demo.upstream.world import ToolContext, World


class ProjectAnswer(BaseModel):
    """A project."""

    id: str
    name: str


class ProjectsAnswer(BaseModel):
    """The projects that this connection may see."""

    projects: list[ProjectAnswer]


class AccountAnswer(BaseModel):
    """The account and the data that it holds."""

    name: str
    member_id: str = Field(description="The member on whose behalf you act")
    client_id: str = Field(description="The client through which you act")
    projects: list[ProjectAnswer]
    metrics: list[str]
    data_from: str
    data_until: str


def register(server: MCPServer[Any], world: World) -> None:
    """Add the tools to the server."""

    def projects(context: ToolContext) -> list[ProjectAnswer]:
        return [ProjectAnswer(id=project.id, name=project.name) for project in world.reach(context).projects]

    @server.tool(title="Account", annotations=ToolAnnotations(read_only_hint=True))
    def get_account(context: ToolContext) -> AccountAnswer:
        """The account you are connected to: its name, projects, metrics and the days that its data covers."""
        caller = world.caller(context)
        return AccountAnswer(
            name=world.account,
            member_id=caller.member_id,
            client_id=caller.client_id,
            projects=projects(context),
            metrics=list(METRICS),
            data_from=FIRST_DAY.isoformat(),
            data_until=world.clock().date().isoformat(),
        )

    @server.tool(title="Projects", annotations=ToolAnnotations(read_only_hint=True))
    def list_projects(context: ToolContext) -> ProjectsAnswer:
        """The account's projects that this connection may see, with ids and names."""
        return ProjectsAnswer(projects=projects(context))
