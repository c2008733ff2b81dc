from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from web.demo.upstream import workload
from web.demo.upstream.catalog import ChangeRefused
from web.demo.upstream.state import Job, Run, State
from web.demo.upstream.workload import created, find_run, jobs_of, last_run, progress, started

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


def create(state: State, name: str = "Mine", schedule: str | None = None) -> tuple[State, Job]:
    return created(state, "p1", name, ("build", "test"), schedule, at=NOW, by="m")


def test_a_run_is_queued_then_runs_then_ends() -> None:
    state, job = create(State())
    state, run = started(state, job, "because", at=NOW, by="m", client_id="c")
    assert progress(run, NOW).status == "queued"
    assert progress(run, NOW + timedelta(seconds=1)).status == "running"
    ended = progress(run, NOW + timedelta(seconds=5))
    assert (ended.status, ended.started_at, ended.finished_at) == ("success", NOW + timedelta(seconds=1), NOW + timedelta(seconds=5))
    assert last_run(state, job, NOW) == run
    assert find_run(state, job, run.run_id, NOW) == run
    assert find_run(state, jobs_of(state, "p1")[0], run.run_id, NOW) is None


def test_delivered_jobs_have_run_by_their_schedule_up_to_now() -> None:
    nightly, hourly = jobs_of(State(), "p1")
    assert [last_run(State(), job, NOW).requested_at for job in (nightly, hourly)] == [NOW.replace(hour=5, minute=0), NOW.replace(minute=0)]  # type: ignore[union-attr]  # both have run
    early = last_run(State(), nightly, NOW.replace(hour=4))
    assert early is not None
    assert early.requested_at == datetime(2026, 11, 19, 5, tzinfo=UTC)
    assert find_run(State(), nightly, early.run_id, NOW) == early, "a run keeps its id and its end"


def test_job_ids_are_the_same_in_every_process_and_differ_by_project() -> None:
    ids = [job.job_id for project in ("p1", "p2", "p1") for job in jobs_of(State(), project)]
    assert ids[:2] == ids[4:]
    assert len(set(ids)) == 4


@pytest.mark.parametrize(
    ("name", "schedule", "words"),
    [
        ("nightly build", None, "already"),
        ("  ", None, "readable name"),
        ("a\nb", None, "readable name"),
        ("Mine", "daily", "five fields"),
        ("Mine", "0 5 * * *\n", "five fields"),
    ],
)
def test_a_job_that_does_not_fit_is_refused(name: str, schedule: str | None, words: str) -> None:
    with pytest.raises(ChangeRefused, match=words):
        create(State(), name, schedule)


def test_jobs_and_runs_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload, "MAX_JOBS", 3)
    monkeypatch.setattr(workload, "MAX_RUNS", 2)
    state, job = create(State())
    with pytest.raises(ChangeRefused, match="holds 3 jobs"):
        create(state, "Another")
    runs: list[Run] = []
    for second in range(3):
        state, run = started(state, job, "because", at=NOW + timedelta(seconds=second), by="m", client_id="c")
        runs.append(run)
    assert list(state.runs.values()) == runs[1:]
