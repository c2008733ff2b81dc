from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.processes import alive
from tests.web.demo.upstream.harness import INITIALIZE, ROOT, Signer, Upstream, command, connects, new_key, short_folder, start, wait_for, write_keys


def refusal(folder: Path, *extra: str, listen: list[str] | None = None) -> tuple[int, str]:
    """How a start ends that can't go on."""
    done = subprocess.run(command(folder, *extra, listen=listen), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_what_callers_changed_is_there_after_a_kill_and_a_restart(own_upstream: Upstream) -> None:
    first = own_upstream
    model = first.call("update_model", {"name": "fct_revenue", "project": "Sales", "description": "Ours now"}).data
    new = {
        "name": "fct_weekly",
        "project": "Sales",
        "description": "By week",
        "sql": "select 1",
        "columns": [{"name": "week", "derived_from": ["fct_revenue.day"]}],
    }
    created = first.call("create_model", new).data
    job = first.call("create_job", {"name": "Mine", "commands": ["build"], "project": "Sales", "schedule": "0 6 * * 1"}).data
    run = first.call("run_job", {"job_id": job["job_id"], "cause": "because"}).data
    assert model["version"] == 2
    assert run["status"] in {"queued", "running"}
    first.end()

    second = start(first.folder, first.signer)
    try:
        assert second.call("get_model", {"name": "fct_revenue", "project": "Sales"}).data == model
        assert second.call("get_model", {"name": "fct_revenue", "project": "Finance"}).data["version"] == 1
        assert second.call("get_model", {"name": "fct_weekly"}).data == created
        downstream = second.call("get_lineage", {"name": "raw_orders", "project": "Sales", "column": "placed_at"}).data["downstream"]
        assert {"from_model": "fct_revenue", "from_column": "day", "to_model": "fct_weekly", "to_column": "week"} in downstream
        jobs = second.call("list_jobs", {"project": "Sales"}).data["jobs"]
        assert [each["last_run"]["run_id"] for each in jobs if each["job_id"] == job["job_id"]] == [run["run_id"]]
        wait_for(lambda: second.call("get_job_run", {"run_id": run["run_id"]}).data["status"] == "success")
    finally:
        second.end()


def test_an_assertion_that_was_spent_before_a_restart_is_not_taken_again(own_upstream: Upstream) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    authorization = {"Authorization": f"Bearer {own_upstream.signer.sign(body)}"}
    assert own_upstream.send("POST", body, authorization).status_code == 200
    own_upstream.end()
    second = start(own_upstream.folder, own_upstream.signer)
    try:
        assert second.send("POST", body, authorization).status_code == 401
    finally:
        second.end()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_code_0_and_takes_the_socket_away(own_upstream: Upstream, sign: signal.Signals) -> None:
    own_upstream.post(INITIALIZE)
    with socket.socket(socket.AF_UNIX) as idle:
        idle.connect(str(own_upstream.socket))
        own_upstream.process.send_signal(sign)
        assert own_upstream.process.wait(timeout=30) == 0
    assert not own_upstream.socket.exists()


def test_the_socket_is_for_its_owner_alone(upstream: Upstream) -> None:
    assert stat.S_IMODE(upstream.socket.stat().st_mode) == 0o600


@contextmanager
def started_by(script: str, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A parent that runs this script, which must start sys.argv[1:] and print its pid, and the pid; both end with the test."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *command(folder)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            wait_for(lambda: connects(folder / "mcp.sock"))
            yield parent, child
        finally:
            parent.kill()
            if alive(child):
                os.kill(child, signal.SIGKILL)


def test_it_ends_when_its_parent_is_killed() -> None:
    script = "import subprocess, sys, time; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); time.sleep(600)"
    with short_folder() as folder:
        write_keys(folder / "jwks.json", new_key("key-1"))
        with started_by(script, folder) as (parent, child):
            assert alive(child)
            parent.kill()
            wait_for(lambda: not alive(child))


def test_it_ends_when_its_parent_was_gone_before_it_looked() -> None:
    with short_folder() as folder:
        write_keys(folder / "jwks.json", new_key("key-1"))
        done = subprocess.run(command(folder, "--parent-pid", "1999999999"), cwd=ROOT, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0


def test_it_survives_the_end_of_the_thread_that_started_it() -> None:
    script = (
        "import subprocess, sys, threading, time\n"
        "def begin():\n"
        "    print(subprocess.Popen(sys.argv[1:]).pid, flush=True)\n"
        "    sys.stdin.readline()\n"
        "thread = threading.Thread(target=begin)\n"
        "thread.start()\n"
        "thread.join()\n"
        "print('thread ended', flush=True)\n"
        "time.sleep(600)\n"
    )
    with short_folder() as folder:
        key = new_key("key-1")
        write_keys(folder / "jwks.json", key)
        with started_by(script, folder) as (parent, child):
            assert parent.stdin is not None
            assert parent.stdout is not None
            upstream = Upstream(folder, parent, Signer(key))
            assert upstream.post(INITIALIZE).status_code == 200
            parent.stdin.write(b"\n")
            parent.stdin.flush()
            assert parent.stdout.readline() == b"thread ended\n"
            time.sleep(1)  # an end that the signal began would be over by now
            assert upstream.post(INITIALIZE).status_code == 200
            assert alive(child)


def test_it_answers_on_a_loopback_port_too() -> None:
    import httpx2

    with short_folder() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        key = new_key("key-1")
        write_keys(folder / "jwks.json", key)
        busy = str(taken.getsockname()[1])
        code, said = refusal(folder, listen=["--port", busy])
        assert code == 1
        assert f"Port {busy} can't be used" in said
        taken.close()
        with subprocess.Popen(command(folder, listen=["--port", busy]), cwd=ROOT, stderr=subprocess.DEVNULL) as process:
            try:
                url, body = f"http://127.0.0.1:{busy}/mcp", b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
                wait_for(lambda: reachable(int(busy)))
                headers = {"Authorization": f"Bearer {Signer(key).sign(body)}", "Content-Type": "application/json", "Accept": "application/json"}
                assert httpx2.post(url, content=body, headers=headers, trust_env=False).status_code == 200
            finally:
                process.kill()


def test_a_start_that_cannot_go_on_says_what_to_do(upstream: Upstream) -> None:
    folder = upstream.folder
    elsewhere = ["--state-dir", str(folder / "other")]
    cases = [
        (1, "Another process uses", [], ["--socket", str(folder / "other.sock")]),
        (1, "Another process listens", elsewhere, None),
        (2, "Give either --socket or --port", [], []),
        (2, "ID=NAME", ["--project", "Sales"], None),
    ]
    with ThreadPoolExecutor(len(cases)) as pool:
        ends = list(pool.map(lambda case: refusal(folder, *case[2], listen=case[3]), cases))
    for (code, words, _, _), (ended, said) in zip(cases, ends, strict=True):
        assert (ended, words in said, "Traceback" in said) == (code, True, False), said


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
