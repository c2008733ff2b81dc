from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from application.counting import BOUNDS, Counts, Key
from bench.ports import free_ports
from infrastructure.bootstrap import bootstrap
from infrastructure.metrics import METRICS, families
from infrastructure.metrics_files import Sums, Writer
from infrastructure.metrics_server import metrics_application, metrics_served
from infrastructure.metrics_store import store_gauges
from infrastructure.run_folder import RunFolder
from infrastructure.settings import load_settings
from infrastructure.taking_part import count_for
from projections.preparing import prepare
from projections.registry import PROJECTIONS
from tests.architecture.source import ROOT, product
from tests.support.oauth_world import KEYS
from tests.support.postgres import Database

ROW = re.compile(r"^\| `(grantbook_\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)


@pytest.fixture
def folder() -> Iterator[RunFolder]:
    with RunFolder.made() as made:
        yield made


def sample(text: str, name: str, **labels: str) -> float | None:
    """A sample's value in Prometheus' text form."""
    inner = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    found = re.search(rf"^{re.escape(f'{name}{{{inner}}}' if labels else name)} (\S+)$", text, re.MULTILINE)
    return None if found is None else float(found.group(1))


def counted(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """What a module counts, with its number of labels."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = dotted(node.func)
        first = {"count": 0, "timer": 0, "COUNTS.add": 0, "took": 1, "COUNTS.took": 1, "COUNTS.add_many": 1, "COUNTS.watch": 1}.get(called)
        if first is not None and len(node.args) > first and isinstance(name := node.args[first], ast.Constant) and isinstance(name.value, str):
            yield name.value, len(node.args) - first - 1


def dotted(called: ast.expr) -> str:
    """`name` or `name.attribute`, else nothing."""
    match called:
        case ast.Name(name):
            return name
        case ast.Attribute(ast.Name(name), attribute):
            return f"{name}.{attribute}"
    return ""


def scraped(sums: Sums, extra: Callable[[], dict[Key, float]] = dict, path: str = "/metrics", method: str = "GET") -> tuple[str, str]:
    said: list[str] = []
    body = metrics_application(sums, extra)({"PATH_INFO": path, "REQUEST_METHOD": method}, lambda status, _: said.append(status))
    return said[0], b"".join(body).decode()


def test_every_metric_is_documented_with_its_kind_and_labels_and_every_documented_one_exists() -> None:
    documented = {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in ROW.findall((ROOT / "docs" / "metrics.md").read_text())
    }
    assert documented == {d.served_name: (d.kind, d.labels) for d in METRICS}


def test_every_name_that_is_counted_is_defined_and_every_definition_is_counted() -> None:
    names = {d.name: len(d.labels) for d in METRICS}
    found = {(name, labels) for module in product() for name, labels in counted(module.tree)}
    assert {(name, labels) for name, labels in found if names.get(name) != labels} == set()
    asked = {key[0] for key in store_gauges(lambda: "host=/nowhere connect_timeout=1")} | {"processes", "draining"}
    assert set(names) - {name for name, _ in found} - asked == {
        d.name for d in METRICS if d.name.startswith(("projection_", "head_", "order_", "ledger_place_", "ledger_refused"))
    }


def test_every_metric_that_an_alert_asks_for_exists() -> None:
    asked = set(re.findall(r"grantbook_\w+", (ROOT / "docs" / "alerts.yml").read_text()))
    served = {d.served_name for d in METRICS} | {
        f"{d.served_name}_{end}" for d in METRICS if d.kind == "histogram" for end in ("count", "bucket", "sum")
    }
    assert asked - served == set()


def test_counts_of_many_threads_are_exact() -> None:
    counts = Counts()

    def many() -> None:
        for _ in range(2000):
            counts.add("a", "x")
            counts.took(0.02, "b")

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers, times, _ = counts.read()
    assert numbers == {("a", "x"): 8000}
    assert times["b",][BOUNDS.index(0.025)] == 8000
    assert times["b",][-1] == pytest.approx(160)


def test_a_duration_beyond_all_bounds_is_counted_and_buckets_add_up() -> None:
    counts = Counts()
    for seconds in (0.0005, 0.001, 0.02, 99):
        counts.took(seconds, "upstream_seconds")
    (family,) = [f for f in families({}, counts.read()[1]) if f.name == "grantbook_upstream_seconds"]
    values = {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}
    assert (values["0.001"], values["0.025"], values["30.0"], values["+Inf"]) == (2, 3, 3, 4)


def test_processes_add_up_and_one_that_has_ended_keeps_counting_without_its_gauges(folder: RunFolder) -> None:
    ended = f"""
        from pathlib import Path
        from application.counting import Counts
        from infrastructure.metrics_files import Writer
        counts = Counts()
        counts.add("refreshes", "rotated", ""); counts.took(0.01, "upstream_seconds"); counts.watch(lambda: 7, "cache_entries", "streams")
        Writer(Path({str(folder.counts)!r}), "web", counts).write()
    """
    subprocess.run([sys.executable, "-c", "\n".join(line.strip() for line in ended.splitlines())], check=True, cwd=ROOT)
    ours = Counts()
    ours.add("refreshes", "rotated", "")
    ours.watch(lambda: 3, "cache_entries", "streams")
    Writer(folder.counts, "web", ours).end()
    sums = Sums(folder.counts)
    for _ in range(2):
        status, text = scraped(sums)
        assert status == "200 OK"
        assert sample(text, "grantbook_refreshes_total", outcome="rotated", reason="") == 2
        assert sample(text, "grantbook_upstream_seconds_count") == 1
        assert sample(text, "grantbook_cache_entries", cache="streams") == 3
        assert sample(text, "grantbook_processes", process="web") == 1
        assert sample(text, "grantbook_rollback_alarms_total") == 0
    assert [path.name.split("-")[0] for path in folder.counts.glob("*.json")] == [str(os.getpid())]


def test_a_broken_file_hurts_no_scrape(folder: RunFolder) -> None:
    (folder.counts / f"{os.getpid()}-x.json").write_bytes(b"{")
    assert scraped(Sums(folder.counts))[0] == "200 OK"


def test_nothing_but_metrics_is_served(folder: RunFolder) -> None:
    assert scraped(Sums(folder.counts), path="/")[0] == "404 Not Found"
    assert scraped(Sums(folder.counts), method="POST")[0] == "404 Not Found"


def test_the_database_is_asked_at_each_scrape(database: Database) -> None:
    assert store_gauges(lambda: "host=/nowhere dbname=x connect_timeout=1") == {("database_up",): 0.0}
    with psycopg.connect(database.web_dsn, autocommit=True) as connection:
        prepare(connection)
    found = store_gauges(lambda: database.web_dsn)
    assert found["database_up",] == 1
    assert found["head_position",] == 0
    assert {key[1] for key in found if key[0] == "projection_lag_seconds"} == {p.name for p in PROJECTIONS}


def test_the_port_is_served_while_it_lasts_and_not_at_all_without_the_setting(folder: RunFolder, database: Database) -> None:
    settings = {"GRANTBOOK_DATABASE_URL": database.web_dsn}
    settings |= dict(zip(("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY"), KEYS, strict=True))
    port = free_ports(1)
    with metrics_served(load_settings(settings), folder, lambda: database.web_dsn), pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")
    configured = load_settings(settings | {"GRANTBOOK_METRICS_PORT": str(port)})
    app = bootstrap(configured)
    with metrics_served(configured, folder, lambda: database.web_dsn):
        count_for(folder, "web", app).write()
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert sample(text, "grantbook_cache_entries", cache="streams") == 0
        assert sample(text, "grantbook_draining") == 0
        folder.drain()
        assert sample(httpx.get(f"http://127.0.0.1:{port}/metrics").text, "grantbook_draining") == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")
    app.close()


def test_labels_are_words_of_our_own(folder: RunFolder) -> None:
    assert Path(folder.path).stat().st_mode & 0o077 == 0
    assert {label for d in METRICS for label in d.labels} <= {
        "server", "endpoint", "status", "error", "outcome", "reason", "method", "kind", "why", "cache", "process", "projection",
        "place",
    }  # fmt: skip
