"""What every project of the demo is delivered with: its models and jobs, and the jobs' past runs as a function of the time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec

from web.demo.upstream.state import Column, Job, Model, Run

DAYS_OF_RUNS = 7
_NIGHTLY_HOUR = 5


class _Model(msgspec.Struct):
    name: str
    description: str
    sql: str
    columns: tuple[Column, ...]


class _Job(msgspec.Struct):
    name: str
    commands: tuple[str, ...]
    schedule: str


class _Delivered(msgspec.Struct):
    models: tuple[_Model, ...]
    jobs: tuple[_Job, ...]


@cache
def _delivered() -> _Delivered:
    return msgspec.json.decode(Path(__file__).with_name("delivered.json").read_bytes(), type=_Delivered)


def delivered_models(project_id: str) -> Iterator[Model]:
    """The models that a project has from the beginning, at version 1."""
    for model in _delivered().models:
        yield Model(project_id, model.name, model.description, model.sql, model.columns)


def delivered_jobs(project_id: str) -> Iterator[Job]:
    """The jobs that a project has from the beginning."""
    for job in _delivered().jobs:
        yield Job(_identifier("job", project_id, job.name), project_id, job.name, job.commands, job.schedule)


def scheduled_runs(job: Job, now: datetime) -> Iterator[Run]:
    """The runs that the schedule of a delivered job has started in the last days, newest first; other schedules are kept, not run."""
    if job.created_at is not None or job.schedule is None:
        return
    hourly = job.schedule == "0 * * * *"
    start = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    for hours in range(DAYS_OF_RUNS * 24):
        at = start - timedelta(hours=hours)
        if hourly or at.hour == _NIGHTLY_HOUR:
            run_id = _identifier("run", job.job_id, at.isoformat())
            luck = int(run_id[-2:], 16)
            yield Run(run_id, job.job_id, job.project_id, "schedule", at, seconds=40 + luck, succeeds=luck % 16 != 0)


def _identifier(kind: str, *parts: str) -> str:
    return f"{kind}_{hashlib.blake2b('/'.join(parts).encode(), digest_size=8).hexdigest()}"
