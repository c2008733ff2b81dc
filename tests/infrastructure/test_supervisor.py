from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infrastructure.ports_in_use import PortInUse, check_port
from infrastructure.run_lock import AlreadyRunning, RunLock
from infrastructure.supervisor import ChildPlan, Supervisor, open_log
from tests.support.processes import alive
from tests.web.cli.conftest import ROOT, clean_environment


def plan(name: str, code: str, *arguments: str) -> ChildPlan:
    return ChildPlan(name, [sys.executable, "-c", textwrap.dedent(code), *arguments], clean_environment())


def eventually(condition: Callable[[], bool], patience_s: float = 20.0) -> bool:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def pids(folder: Path) -> list[int]:
    return [int(path.name) for path in folder.iterdir()]


TELL = """
import os, pathlib, sys, time
pathlib.Path(sys.argv[1], str(os.getpid())).touch()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "pids"
    made.mkdir()
    return made


def test_a_child_that_crashes_is_started_again(folder: Path) -> None:
    supervisor = Supervisor()
    supervisor.start(plan("crasher", TELL + "time.sleep(0.05); sys.exit(3)", str(folder)))
    try:
        assert supervisor.wait_until(lambda: len(pids(folder)) >= 3, 30)
    finally:
        supervisor.end()
    assert not any(alive(pid) for pid in pids(folder))


def test_a_killed_child_is_started_again_and_the_others_stay(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    supervisor = Supervisor()
    supervisor.start(plan("a", TELL + "time.sleep(100)", str(folder)), plan("b", TELL + "time.sleep(100)", str(other)))
    try:
        assert supervisor.wait_until(lambda: len(pids(folder)) == len(pids(other)) == 1, 30)
        os.kill(pids(folder)[0], signal.SIGKILL)
        assert supervisor.wait_until(lambda: len(pids(folder)) == 2, 30)
        assert len(pids(other)) == 1
    finally:
        supervisor.end()


def test_the_end_takes_even_a_child_that_ignores_the_signal_and_what_it_started(folder: Path) -> None:
    stubborn = """
        import os, pathlib, signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
        for pid in (os.getpid(), worker.pid):
            pathlib.Path(sys.argv[1], str(pid)).touch()
        time.sleep(100)
    """
    supervisor = Supervisor()
    supervisor.start(plan("stubborn", stubborn, str(folder)))
    assert supervisor.wait_until(lambda: len(pids(folder)) == 2, 30)
    supervisor.end()
    assert eventually(lambda: not any(alive(pid) for pid in pids(folder)))


def test_a_child_that_never_comes_up_is_not_waited_for() -> None:
    supervisor = Supervisor()
    supervisor.start(plan("broken", "raise SystemExit(1)"))
    try:
        assert not supervisor.wait_until(lambda: False, 60)
        assert not supervisor.wanted_to_end
    finally:
        supervisor.end()


def test_what_is_waited_for_may_end_the_supervisor(folder: Path) -> None:
    supervisor = Supervisor()
    supervisor.end_soon()
    assert not supervisor.wait_until(lambda: False, 30)
    assert supervisor.wanted_to_end
    supervisor.run()


def test_children_die_with_a_parent_that_is_killed(folder: Path) -> None:
    child = TELL + "from infrastructure.lifeline import end_with_parent; end_with_parent(int(sys.argv[2])); time.sleep(100)"
    parent = f"""
        import os, subprocess, sys, time
        subprocess.Popen([sys.executable, "-c", {child!r}, sys.argv[1], str(os.getpid())])
        time.sleep(100)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(parent), str(folder)], env=clean_environment(), cwd=ROOT)
    try:
        assert eventually(lambda: len(pids(folder)) == 1)
        (pid,) = pids(folder)
        time.sleep(0.5)
        assert alive(pid)
    finally:
        process.kill()
        process.wait()
    assert eventually(lambda: not alive(pid))


def test_a_worker_of_a_worker_notices_that_its_parent_is_gone(folder: Path) -> None:
    worker = TELL + "from infrastructure.lifeline import end_with_parent; end_with_parent(os.getppid(), gently=False); time.sleep(100)"
    parent = f"""
        import subprocess, sys, time
        subprocess.Popen([sys.executable, "-c", {worker!r}, sys.argv[1]])
        time.sleep(100)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(parent), str(folder)], env=clean_environment(), cwd=ROOT)
    assert eventually(lambda: len(pids(folder)) == 1)
    time.sleep(0.5)
    process.kill()
    process.wait()
    assert eventually(lambda: not alive(pids(folder)[0]))


def test_a_port_in_use_is_named_with_the_option_that_chooses_another() -> None:
    import socket

    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=f"Port {port} is in use.*--port"):
            check_port("127.0.0.1", port, "--port")
    check_port("127.0.0.1", port, "--port")


@pytest.mark.parametrize("host", ["203.0.113.1", "nobody.invalid", "2001:db8::1", "a..b"])
def test_an_address_that_is_not_ours_is_answered_by_the_option_that_chooses_the_address(host: str) -> None:
    with pytest.raises(PortInUse, match=rf"{re.escape(host)}.*an address of this machine with --host or GRANTBOOK_HOST\.$"):
        check_port(host, 8000, "--port")


def test_a_second_server_on_a_data_directory_says_who_holds_it(tmp_path: Path) -> None:
    with RunLock(tmp_path, {"url": "http://localhost:8000"}) as first:
        assert not first.left_over
        with pytest.raises(AlreadyRunning, match=rf"process {os.getpid()}, http://localhost:8000.*--data-dir"), RunLock(tmp_path, {}):
            pass
    with RunLock(tmp_path, {}) as again:
        assert not again.left_over


def test_a_killed_server_leaves_its_traces_but_not_its_lock(tmp_path: Path) -> None:
    holder = """
        import pathlib, sys, time
        from infrastructure.run_lock import RunLock
        with RunLock(pathlib.Path(sys.argv[1]), {"url": "x"}):
            print("held", flush=True)
            time.sleep(100)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(holder), str(tmp_path)], env=clean_environment(), cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == b"held\n"
        process.kill()
        process.wait()
    with RunLock(tmp_path, {}) as after:
        assert after.left_over


def test_the_log_of_the_children_is_private_and_begins_anew_when_it_is_long(tmp_path: Path) -> None:
    path = tmp_path / "demo.log"
    with open_log(path) as log:
        log.write(b"x" * (10 * 1024 * 1024 + 1))
    assert path.stat().st_mode & 0o077 == 0
    with open_log(path):
        pass
    assert path.stat().st_size == 0
