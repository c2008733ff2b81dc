"""Tools of the scope catalog:read: models, their descriptions and where their columns come from."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from web.demo.upstream.caller import Reach
from web.demo.upstream.catalog import lineage, models_of
from web.demo.upstream.state import Model, State
from web.demo.upstream.world import ToolContext, World

ProjectArgument = Annotated[str | None, Field(description="Id or name of a project; left out: all you may use")]
ModelArgument = Annotated[str, Field(max_length=200, description="Name of a model, such as fct_revenue")]


class ModelSummary(BaseModel):
    """A model in a list."""

    project_id: str
    name: str
    description: str
    columns: int
    version: int


class ModelsAnswer(BaseModel):
    """Models."""

    models: list[ModelSummary]


class ColumnAnswer(BaseModel):
    """A column and the columns that it is computed from, as model.column."""

    name: str
    type: str
    description: str
    derived_from: list[str]


class ModelAnswer(BaseModel):
    """A model."""

    project_id: str
    name: str
    description: str
    sql: str
    columns: list[ColumnAnswer]
    version: int
    changed_at: str | None = None
    changed_by: str | None = Field(default=None, description="Id of the member who changed it last")


class EdgeAnswer(BaseModel):
    """One column that is computed from another."""

    from_model: str
    from_column: str
    to_model: str
    to_column: str


class LineageAnswer(BaseModel):
    """Where columns come from and what is computed from them, through any number of steps."""

    project_id: str
    model: str
    column: str | None
    upstream: list[EdgeAnswer]
    downstream: list[EdgeAnswer]


def model_answer(model: Model) -> ModelAnswer:
    """A model as tools give it."""
    columns = [
        ColumnAnswer(name=column.name, type=column.type, description=column.description, derived_from=list(column.derived_from))
        for column in model.columns
    ]
    changed_at = None if model.changed_at is None else model.changed_at.isoformat()
    return ModelAnswer(
        project_id=model.project_id,
        name=model.name,
        description=model.description,
        sql=model.sql,
        columns=columns,
        version=model.version,
        changed_at=changed_at,
        changed_by=model.changed_by,
    )


def find_model(state: State, reach: Reach, project: str | None, name: str) -> Model:
    """The model of that name in the project asked for, or in the only project within reach that has one."""
    projects = reach.select(project)
    found = [model for each in projects if (model := models_of(state, each.id).get(name))]
    if not found:
        raise ToolError(f'There is no model "{name[:80]}" in {", ".join(each.name for each in projects)}.')
    if len(found) > 1:
        names = {each.id: each.name for each in projects}
        raise ToolError(f'Several projects have a model "{name}": say which project: {", ".join(names[model.project_id] for model in found)}.')
    return found[0]


def register(server: MCPServer[Any], world: World) -> None:
    """Add the tools to the server."""

    @server.tool(title="Models", annotations=ToolAnnotations(read_only_hint=True))
    def list_models(context: ToolContext, project: ProjectArgument = None) -> ModelsAnswer:
        """The models of a project, or of all projects you may use."""
        state = world.store.state
        models = [model for each in world.reach(context).select(project) for model in models_of(state, each.id).values()]
        return ModelsAnswer(
            models=[
                ModelSummary(
                    project_id=model.project_id, name=model.name, description=model.description, columns=len(model.columns), version=model.version
                )
                for model in models
            ]
        )

    @server.tool(title="Model", annotations=ToolAnnotations(read_only_hint=True))
    def get_model(context: ToolContext, name: ModelArgument, project: ProjectArgument = None) -> ModelAnswer:
        """A model: its description, SQL, columns and version."""
        return model_answer(find_model(world.store.state, world.reach(context), project, name))

    @server.tool(title="Column lineage", annotations=ToolAnnotations(read_only_hint=True))
    def get_lineage(
        context: ToolContext,
        name: ModelArgument,
        project: ProjectArgument = None,
        column: Annotated[str | None, Field(max_length=200, description="One column; left out: all columns of the model")] = None,
    ) -> LineageAnswer:
        """Which columns a model's columns come from, and which columns are computed from them."""
        state = world.store.state
        model = find_model(state, world.reach(context), project, name)
        if column is not None and column not in {each.name for each in model.columns}:
            raise ToolError(f'The model "{model.name}" has no column "{column[:80]}". It has: {", ".join(each.name for each in model.columns)}.')
        found = lineage(models_of(state, model.project_id).values(), model, column)
        return LineageAnswer(
            project_id=model.project_id,
            model=model.name,
            column=column,
            upstream=[EdgeAnswer(**asdict(edge)) for edge in found.upstream],
            downstream=[EdgeAnswer(**asdict(edge)) for edge in found.downstream],
        )
