"""Jobs and their runs: what there is, how jobs are created and run, and how a run's status follows from the time."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from web.demo.upstream.catalog import ChangeRefused
from web.demo.upstream.delivered import delivered_jobs, scheduled_runs
from web.demo.upstream.state import Job, Run, State

MAX_JOBS = 100
MAX_RUNS = 2000
QUEUED_SECONDS = 1
_CRON = re.compile(r"[0-9*/,-]+( [0-9*/,-]+){4}")

Status = Literal["queued", "running", "success", "error"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    status: Status
    started_at: datetime | None
    finished_at: datetime | None


def jobs_of(state: State, project_id: str) -> tuple[Job, ...]:
    """The jobs of one project, the delivered ones first."""
    return (*delivered_jobs(project_id), *(job for job in state.jobs.values() if job.project_id == project_id))


def find_run(state: State, job: Job, run_id: str, now: datetime) -> Run | None:
    """A run of that job by id, asked for or scheduled."""
    asked = state.runs.get(run_id)
    if asked is not None and asked.job_id == job.job_id:
        return asked
    return next((run for run in scheduled_runs(job, now) if run.run_id == run_id), None)


def last_run(state: State, job: Job, now: datetime) -> Run | None:
    """The newest run of a job."""
    runs = [run for run in state.runs.values() if run.job_id == job.job_id]
    runs += [run for run, _ in zip(scheduled_runs(job, now), range(1), strict=False)]
    return max(runs, key=lambda run: run.requested_at, default=None)


def progress(run: Run, now: datetime) -> Progress:
    """Queued for a second, then running for its seconds, then ended as was settled."""
    started = run.requested_at + timedelta(seconds=QUEUED_SECONDS)
    finished = started + timedelta(seconds=run.seconds)
    if now < started:
        return Progress("queued", None, None)
    if now < finished:
        return Progress("running", started, None)
    return Progress("success" if run.succeeds else "error", started, finished)


def created(state: State, project_id: str, name: str, commands: tuple[str, ...], schedule: str | None, *, at: datetime, by: str) -> tuple[State, Job]:
    """The state with a new job."""
    name = name.strip()
    existing = jobs_of(state, project_id)
    if not name or not name.isprintable():
        raise ChangeRefused("A job needs a readable name.")
    if any(job.name.casefold() == name.casefold() for job in existing):
        raise ChangeRefused(f'The project has a job "{name}" already.')
    if schedule is not None and not _CRON.fullmatch(schedule):
        raise ChangeRefused('A schedule has the five fields of cron, such as "0 5 * * *".')
    if len(existing) >= MAX_JOBS:
        raise ChangeRefused(f"A project of the demo holds {MAX_JOBS} jobs.")
    job = Job(_new_id("job"), project_id, name, commands, schedule, at, by)
    return msgspec.structs.replace(state, jobs={**state.jobs, job.job_id: job}), job


def started(state: State, job: Job, cause: str, *, at: datetime, by: str, client_id: str) -> tuple[State, Run]:
    """The state with a new run of that job; beyond a number the oldest runs are forgotten."""
    seconds = 2 * len(job.commands)
    run = Run(_new_id("run"), job.job_id, job.project_id, cause, at, seconds, succeeds=True, triggered_by=by, client_id=client_id)
    kept = sorted(state.runs.values(), key=lambda each: each.requested_at)[-(MAX_RUNS - 1) :]
    return msgspec.structs.replace(state, runs={each.run_id: each for each in (*kept, run)}), run


def _new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(8)}"
