from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.demo import Demo, running_demo
from tests.support.processes import alive, read
from tests.web.cli.conftest import Grantbook, clean_environment


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo with a blank")) as running:
        yield running


def cli(folder: Path) -> Grantbook:
    return Grantbook(clean_environment(), folder)


def children_of(pid: int) -> list[int]:
    """The processes below one, all generations, without PostgreSQL: a killed one's is found again by the next start."""
    threads = [path.name for path in Path(f"/proc/{pid}/task").glob("*")]
    found = [int(child) for thread in threads for child in read(pid, f"task/{thread}/children").split()]
    ours = [child for child in found if (line := read(child, "cmdline")) and b"postgres" not in line.split(b"\0")[0]]
    return ours + [below for child in ours for below in children_of(child)]


def gone(pids: list[int], patience_s: float = 20.0) -> bool:
    deadline = time.monotonic() + patience_s
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_the_demo_describes_itself_in_a_private_file(demo: Demo) -> None:
    file = demo.data_dir / "demo.json"
    assert file.stat().st_mode & 0o777 == 0o600
    facts = json.loads(file.read_text())
    assert list(facts) == ["base_url", "issuer", "mcp_url", "api_url", "users", "projects", "pid"]
    assert facts["mcp_url"] == f"http://localhost:{demo.port + 1}/api/ai/v1/mcp"
    assert [p["name"] for p in facts["projects"]] == ["Sales", "Marketing", "Finance"]
    assert {u["email"].split("@")[0]: u["role"] for u in facts["users"]} == {
        "admin": "Account Admin", "viewer": "Account Viewer", "analyst": "Analyst", "developer": "Developer", "operator": "Job Operator",
    }  # fmt: skip
    assert len({u["password"] for u in facts["users"]}) == 5
    os.kill(facts["pid"], 0)


def test_it_is_ready_and_its_resources_are_registered(demo: Demo) -> None:
    assert httpx.get(f"{demo.base_url}/readyz").json()["ready"]
    resources = {r["identifier"]: r for r in demo.cli("resource", "list")}
    assert set(resources) == {demo.facts["mcp_url"], demo.facts["api_url"]}
    assert resources[demo.mcp_url]["upstream"].startswith("unix:/")


def test_what_the_command_line_changes_is_felt_by_the_running_server(demo: Demo) -> None:
    client = {"client_name": "Tool", "redirect_uris": ["https://tool.example/cb"]}
    assert httpx.post(f"{demo.base_url}/oauth/register", json=client).status_code == 201
    demo.cli("policy", "set", "registration=off")
    refused = httpx.post(f"{demo.base_url}/oauth/register", json=client)
    demo.cli("policy", "set", "registration=open")
    assert refused.status_code == 403
    assert [row["name"] for row in demo.cli("client", "list")] == ["Tool"]


def test_a_second_demo_on_the_same_data_says_what_to_do(demo: Demo, tmp_path: Path) -> None:
    said = cli(tmp_path).refused("demo", "--port", str(demo.port + 4), "--data-dir", str(demo.data_dir))
    assert f"process {demo.facts['pid']}" in said
    assert "--data-dir" in said
    assert "already" in cli(tmp_path).refused("demo", "--fresh", "--port", str(demo.port + 4), "--data-dir", str(demo.data_dir))


def test_a_port_in_use_is_named_before_anything_starts(demo: Demo, tmp_path: Path) -> None:
    said = cli(tmp_path).refused("demo", "--port", str(demo.port), "--data-dir", "other")
    assert f"Port {demo.port} is in use" in said
    assert not (tmp_path / "other" / "postgres").exists()


def test_no_query_string_and_no_secret_stands_in_the_log(demo: Demo) -> None:
    httpx.get(f"{demo.base_url}/setup", params={"token": "the-secret-token"})
    httpx.post(f"{demo.base_url}/oauth/token", data={"grant_type": "refresh_token", "refresh_token": "the-secret-token", "client_id": "x"})
    log = (demo.data_dir / "demo.log").read_text()
    assert "path=/setup" in log
    assert "the-secret-token" not in log
    assert not any(user["password"] in log for user in demo.facts["users"])


def test_a_killed_worker_is_replaced(demo: Demo) -> None:
    web = [p for p in children_of(demo.facts["pid"]) if b"web.cli.child\0web\0" in read(p, "cmdline")]
    worker = children_of(web[0])[-1]
    os.kill(worker, signal.SIGKILL)
    assert gone([worker])
    deadline = time.monotonic() + 30
    while len(children_of(web[0])) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert httpx.get(f"{demo.base_url}/healthz").status_code == 200


def test_after_kill_9_of_everything_the_next_start_has_the_same_data(demo: Demo) -> None:
    before, members = demo.facts, demo.cli("member", "list")
    processes = children_of(before["pid"])
    assert len(processes) >= 6
    demo.kill()
    assert gone(processes), "no child outlives its parent"
    demo.start()
    assert {**demo.facts, "pid": 0} == {**before, "pid": 0}
    assert [m["member_id"] for m in demo.cli("member", "list")] == [m["member_id"] for m in members]
    assert demo.cli("projections", "verify") == {"differences": []}
    assert demo.cli("ledger", "verify")["findings"] == []


def test_another_port_moves_the_resources_and_keeps_the_people(demo: Demo) -> None:
    before = demo.facts
    demo.stop()
    demo.port += 2
    demo.start()
    assert demo.facts["users"] == before["users"]
    assert demo.mcp_url == f"http://localhost:{demo.port + 1}/api/ai/v1/mcp"
    assert {r["identifier"] for r in demo.cli("resource", "list")} == {demo.facts["mcp_url"], demo.facts["api_url"]}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_and_leaves_no_process_behind(demo: Demo, number: signal.Signals) -> None:
    assert demo.process is not None
    processes = children_of(demo.process.pid)
    demo.process.send_signal(number)
    assert demo.process.wait(30) == 0
    assert gone(processes, 1)
    demo.start()


def test_fresh_begins_anew_and_only_removes_what_is_its_own(demo: Demo) -> None:
    before = demo.facts
    (demo.data_dir / "mine.txt").write_text("not the demo's")
    demo.stop()
    demo.start("--fresh")
    assert not {u["password"] for u in demo.facts["users"]} & {u["password"] for u in before["users"]}
    assert (demo.data_dir / "mine.txt").exists()
    assert len(demo.cli("member", "list")) == 5
