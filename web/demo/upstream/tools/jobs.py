"""Tools of the scope jobs:run: view, create and run jobs."""

from __future__ import annotations

from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from web.demo.upstream.caller import Reach
from web.demo.upstream.state import Job, Run, State
from web.demo.upstream.tools.catalog import ProjectArgument
from web.demo.upstream.tools.develop import OneProject
from web.demo.upstream.workload import Status, created, find_run, jobs_of, last_run, progress, started
from web.demo.upstream.world import ToolContext, World, told_to_the_caller

JobArgument = Annotated[str, Field(max_length=80, description="Id of a job, from list_jobs")]
RunArgument = Annotated[str, Field(max_length=80, description="Id of a run, from run_job or list_jobs")]
Command = Annotated[str, Field(min_length=1, max_length=500)]


class RunAnswer(BaseModel):
    """A run of a job."""

    run_id: str
    job_id: str
    project_id: str
    status: Status
    cause: str
    requested_at: str
    started_at: str | None
    finished_at: str | None
    triggered_by: str | None = Field(description="Id of the member who ran it; none for the schedule")


class JobAnswer(BaseModel):
    """A job."""

    job_id: str
    project_id: str
    name: str
    commands: list[str]
    schedule: str | None
    last_run: RunAnswer | None


class JobsAnswer(BaseModel):
    """Jobs."""

    jobs: list[JobAnswer]


def register(server: MCPServer[Any], world: World) -> None:
    """Add the tools to the server."""

    @server.tool(title="Jobs", annotations=ToolAnnotations(read_only_hint=True))
    def list_jobs(context: ToolContext, project: ProjectArgument = None) -> JobsAnswer:
        """The jobs of a project, or of all projects you may use, with their last runs."""
        state = world.store.state
        return JobsAnswer(jobs=[_job(world, state, job) for each in world.reach(context).select(project) for job in jobs_of(state, each.id)])

    @server.tool(title="Create a job", annotations=ToolAnnotations(destructive_hint=False))
    def create_job(
        context: ToolContext,
        name: Annotated[str, Field(min_length=1, max_length=100)],
        commands: Annotated[list[Command], Field(min_length=1, max_length=20)],
        project: OneProject = None,
        schedule: Annotated[str | None, Field(max_length=60, description="Cron in UTC; kept and shown, the demo doesn't start it by itself")] = None,
    ) -> JobAnswer:
        """Add a job to a project."""
        project_id, by, now = world.reach(context).one(project).id, world.caller(context).member_id, world.clock()
        with told_to_the_caller():
            job = world.store.change(lambda state: created(state, project_id, name, tuple(commands), schedule, at=now, by=by))
        return _job(world, world.store.state, job)

    @server.tool(title="Run a job", annotations=ToolAnnotations(destructive_hint=True))
    def run_job(
        context: ToolContext, job_id: JobArgument, cause: Annotated[str, Field(max_length=200, description="Why it is run")] = "asked for by a client"
    ) -> RunAnswer:
        """Start a run of a job; ask for its progress with get_job_run."""
        caller, now = world.caller(context), world.clock()
        reach = world.reach(context)

        def decide(state: State) -> tuple[State, Run]:
            return started(state, _find_job(state, reach, job_id), cause, at=now, by=caller.member_id, client_id=caller.client_id)

        return _run(world, world.store.change(decide))

    @server.tool(title="Run of a job", annotations=ToolAnnotations(read_only_hint=True))
    def get_job_run(context: ToolContext, run_id: RunArgument) -> RunAnswer:
        """The progress of a run: queued, running, success or error."""
        state, now = world.store.state, world.clock()
        for project in world.reach(context).select(None):
            for job in jobs_of(state, project.id):
                if run := find_run(state, job, run_id, now):
                    return _run(world, run)
        raise ToolError("There is no run of that id in the projects you may use.")


def _find_job(state: State, reach: Reach, job_id: str) -> Job:
    for project in reach.select(None):
        for job in jobs_of(state, project.id):
            if job.job_id == job_id:
                return job
    raise ToolError("There is no job of that id in the projects you may use: list_jobs gives the ids.")


def _job(world: World, state: State, job: Job) -> JobAnswer:
    run = last_run(state, job, world.clock())
    return JobAnswer(
        job_id=job.job_id,
        project_id=job.project_id,
        name=job.name,
        commands=list(job.commands),
        schedule=job.schedule,
        last_run=None if run is None else _run(world, run),
    )


def _run(world: World, run: Run) -> RunAnswer:
    now = progress(run, world.clock())
    return RunAnswer(
        run_id=run.run_id,
        job_id=run.job_id,
        project_id=run.project_id,
        status=now.status,
        cause=run.cause,
        requested_at=run.requested_at.isoformat(),
        started_at=None if now.started_at is None else now.started_at.isoformat(),
        finished_at=None if now.finished_at is None else now.finished_at.isoformat(),
        triggered_by=run.triggered_by,
    )
