from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from web.demo.upstream import state, workload
from web.demo.upstream.catalog import ChangeRefused
from web.demo.upstream.state import Job, State, StateStore, StateUnusable

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def add(store: StateStore, name: str) -> Job:
    return store.change(lambda before: workload.created(before, "p1", name, ("build",), None, at=NOW, by="m"))


def test_parallel_changes_all_arrive_and_are_all_on_disk(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: add(store, f"Job {n}"), range(40)))
    store.close()
    again = StateStore(tmp_path)
    assert again.state == store.state
    assert set(again.state.jobs) == {job.job_id for job in made}
    again.close()


def test_a_refused_change_leaves_memory_and_file_alone(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    add(store, "Mine")
    before, content = store.state, (tmp_path / "state.json").read_bytes()
    with pytest.raises(ChangeRefused):
        add(store, "mine")
    assert (store.state, (tmp_path / "state.json").read_bytes()) == (before, content)
    store.close()


def test_a_change_that_cannot_be_written_is_not_answered_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = StateStore(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state, "_write", full)
    with pytest.raises(OSError, match="No space"):
        add(store, "Mine")
    assert store.state == State()
    store.close()


def test_a_broken_file_is_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"jobs": 1}')
    with pytest.raises(StateUnusable, match="move it away"):
        StateStore(tmp_path)
    assert (tmp_path / "state.json").read_text() == '{"jobs": 1}'


def test_one_process_owns_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "LOCK_PATIENCE_SECONDS", 0.2)
    store = StateStore(tmp_path)
    with pytest.raises(StateUnusable, match="Another process uses"):
        StateStore(tmp_path)
    store.close()
    StateStore(tmp_path).close()


def test_a_directory_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnusable, match="--state-dir"):
        StateStore(tmp_path / "file")
