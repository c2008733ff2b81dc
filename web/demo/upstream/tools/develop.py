"""Tools of the scope projects:develop: create and change models."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from web.demo.upstream.catalog import created, updated
from web.demo.upstream.state import Column, Model, State
from web.demo.upstream.tools.catalog import ModelAnswer, ModelArgument, find_model, model_answer
from web.demo.upstream.world import ToolContext, World, told_to_the_caller

OneProject = Annotated[str | None, Field(description="Id or name of a project; needed where you may use more than one")]
Description = Annotated[str, Field(max_length=2000)]
Sql = Annotated[str, Field(max_length=20000)]
Source = Annotated[str, Field(max_length=130)]


class ColumnArgument(BaseModel):
    """A column of a new model."""

    name: Annotated[str, Field(max_length=63)]
    type: Annotated[str, Field(max_length=60)] = "text"
    description: Description = ""
    derived_from: Annotated[list[Source], Field(max_length=50, description="Columns that it is computed from, as model.column")] = []


def register(server: MCPServer[Any], world: World) -> None:
    """Add the tools to the server."""

    @server.tool(title="Create a model", annotations=ToolAnnotations(destructive_hint=False))
    def create_model(
        context: ToolContext,
        name: ModelArgument,
        description: Description,
        sql: Sql,
        project: OneProject = None,
        columns: Annotated[list[ColumnArgument] | None, Field(max_length=100)] = None,
    ) -> ModelAnswer:
        """Add a model to a project."""
        model = Model(
            project_id=world.reach(context).one(project).id,
            name=name,
            description=description,
            sql=sql,
            columns=tuple(Column(each.name, each.type, each.description, tuple(each.derived_from)) for each in columns or ()),
            changed_at=world.clock(),
            changed_by=world.caller(context).member_id,
        )

        def decide(state: State) -> tuple[State, Model]:
            return created(state, model), model

        with told_to_the_caller():
            return model_answer(world.store.change(decide))

    @server.tool(title="Change a model", annotations=ToolAnnotations(destructive_hint=True))
    def update_model(
        context: ToolContext,
        name: ModelArgument,
        project: OneProject = None,
        description: Description | None = None,
        sql: Sql | None = None,
    ) -> ModelAnswer:
        """Change a model's description or SQL, which gives it a new version."""
        reach, caller, now = world.reach(context), world.caller(context), world.clock()

        def decide(state: State) -> tuple[State, Model]:
            model = find_model(state, reach, project, name)
            return updated(state, model, description=description, sql=sql, at=now, by=caller.member_id)

        with told_to_the_caller():
            return model_answer(world.store.change(decide))
