"""Tools of the scope projects:query: which metrics there are, and their values."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from web.demo.upstream.dataset import FIRST_DAY
from web.demo.upstream.metrics import METRICS, Dimension, Metric, query
from web.demo.upstream.tools.account import ProjectAnswer
from web.demo.upstream.world import ToolContext, World

DEFAULT_DAYS = 30
MAX_DAYS = 1100
MAX_ROWS = 2000


class MetricAnswer(BaseModel):
    """A metric."""

    name: str
    label: str
    description: str
    unit: str


class MetricsAnswer(BaseModel):
    """The metrics and the dimensions that each may be grouped by."""

    metrics: list[MetricAnswer]
    dimensions: list[str]


class Row(BaseModel):
    """One group and its value."""

    dimensions: dict[str, str]
    value: float


class QueryAnswer(BaseModel):
    """A metric's value over the period and projects, and by group where asked."""

    metric: str
    label: str
    unit: str
    start_date: str
    end_date: str
    projects: list[ProjectAnswer] = Field(description="The projects that were summed")
    total: float
    group_by: list[str]
    rows: list[Row]


def register(server: MCPServer[Any], world: World) -> None:
    """Add the tools to the server."""

    @server.tool(title="Metrics", annotations=ToolAnnotations(read_only_hint=True))
    def list_metrics() -> MetricsAnswer:
        """The metrics that query_metrics can answer, with units and dimensions."""
        answers = [MetricAnswer(name=each.name, label=each.label, description=each.description, unit=each.unit) for each in METRICS.values()]
        return MetricsAnswer(metrics=answers, dimensions=["day", "week", "month", "project", "region", "channel"])

    @server.tool(title="Query a metric", annotations=ToolAnnotations(read_only_hint=True))
    def query_metrics(
        context: ToolContext,
        metric: Annotated[str, Field(description="Name of a metric, such as revenue")],
        project: Annotated[str | list[str] | None, Field(description="Id or name of a project, or several; left out: all you may use")] = None,
        start_date: Annotated[date | None, Field(description="First day, YYYY-MM-DD")] = None,
        end_date: Annotated[date | None, Field(description="Last day, YYYY-MM-DD; left out: today")] = None,
        last_n_days: Annotated[int | None, Field(ge=1, le=MAX_DAYS, description="Instead of dates: today and the days before it")] = None,
        group_by: Annotated[list[Dimension] | None, Field(description="Dimensions of the rows; left out: only the total")] = None,
    ) -> QueryAnswer:
        """The value of a metric over a period (by default the last 30 days), summed over projects, and by group where asked."""
        asked = _metric(metric)
        projects = world.reach(context).select(project)
        start, end = _period(world.clock().date(), start_date, end_date, last_n_days)
        dimensions = tuple(dict.fromkeys(group_by or ()))
        table = query(world.seed, projects, asked, start, end, dimensions)
        if len(table.groups) > MAX_ROWS:
            raise ToolError(
                f"The answer would have {len(table.groups)} rows, and {MAX_ROWS} are the most: group more coarsely or ask for fewer days."
            )
        return QueryAnswer(
            metric=asked.name,
            label=asked.label,
            unit=asked.unit,
            start_date=start.isoformat(),
            end_date=end.isoformat(),
            projects=[ProjectAnswer(id=each.id, name=each.name) for each in projects],
            total=table.total,
            group_by=list(dimensions),
            rows=[Row(dimensions=group.dimensions, value=group.value) for group in table.groups],
        )


def _metric(name: str) -> Metric:
    metric = METRICS.get(name.strip().casefold().replace(" ", "_"))
    if metric is None:
        raise ToolError(f'There is no metric "{name[:80]}". There are: {", ".join(METRICS)}.')
    return metric


def _period(today: date, start: date | None, end: date | None, last_n_days: int | None) -> tuple[date, date]:
    """First and last day asked for, cut to what the data covers."""
    if last_n_days is not None:
        if start is not None or end is not None:
            raise ToolError("Give either last_n_days or dates, not both.")
        return max(today - timedelta(days=last_n_days - 1), FIRST_DAY), today
    if start is not None and start > (end or today):
        raise ToolError("The period ends before it begins.")
    last = min(end or today, today)
    if last < FIRST_DAY or (start is not None and start > today):
        raise ToolError(f"There is data from {FIRST_DAY} to {today}.")
    first = max(start or last - timedelta(days=DEFAULT_DAYS - 1), FIRST_DAY)
    if (last - first).days >= MAX_DAYS:
        raise ToolError(f"A period has at most {MAX_DAYS} days.")
    return first, last
