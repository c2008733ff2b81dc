"""Prints what was measured, for people."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping

from bench.counters import Sample
from bench.load import Outcome
from bench.statements import Counted


def opening(sessions: int, members: int, workers: int, threads: int, took: float) -> None:
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores; {workers} web workers of {threads} threads, gateway and projector running.")
    print(f"Seeded {sessions} sessions of {members} members in {took:.0f} s, start of the server included. Sealing, logs and limits are on.")
    print("CPU: seconds per 1,000 requests, work put off included; `other` is what the rest of the machine burned meanwhile (much: run again).\n")
    print(f"{'workload':<11}{'conn':>5}{'req/s':>9}{'p50 ms':>8}{'p95':>8}{'p99':>8}{'CPU':>8} = server + database   wal B  errors  other  load")


def line(name: str, connections: int, seconds: float, outcome: Outcome, cost: Sample, other: float) -> None:
    each = max(1, outcome.good) / 1000
    percentiles = "".join(f"{outcome.quantile(share):8.2f}" for share in (0.5, 0.95, 0.99))
    cpu = f"{(cost.server_s + cost.database_s) / each:8.3f} = {cost.server_s / each:6.3f} + {cost.database_s / each:6.3f}"
    load = f"{outcome.cpu_s / each:6.3f}"
    errors = sum(outcome.bad.values())
    rest = f"{cost.wal_bytes / each / 1000:>8.0f}{errors:>8}{other:>6.1f}s{load}"
    print(f"{name:<11}{connections:>5}{outcome.good / seconds:>9.0f}{percentiles}{cpu:<28}{rest}", flush=True)
    ordered = sorted(cost.cpu.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{part} {spent / each:.3f}" for part, spent in ordered if spent / each >= 0.002)
    print(f"{'':<16} by part: {parts}; writing transactions {cost.transactions / each / 1000:.2f} a request, all processes")
    for words, times in outcome.bad.most_common(3):
        print(f"{'':<16} {times} times: {words}")
    if outcome.ran_dry:
        print(f"{'':<16} ran out of codes before its time")


def lag(seconds: list[float], measured: float) -> None:
    """The projector beside the load: how fast events come and how long each waits."""
    if not seconds:
        return
    at = {share: seconds[round(share * (len(seconds) - 1))] * 1000 for share in (0.5, 0.99)}
    waits = f"lag p50 {at[0.5]:.0f} ms, p99 {at[0.99]:.0f} ms, longest {seconds[-1] * 1000:.0f} ms"
    print(f"{'':<16} projector: {len(seconds) / measured:.0f} events/s, {waits}")


def statements(counted: Mapping[str, Counted]) -> None:
    print("\nA request in the database (statement log of a separate pass with one connection; the projector's statements are not among them):\n")
    print(f"{'workload':<11}{'statements':>11}{'BEGIN/COMMIT':>14}{'writing transactions':>22}")
    for name, found in counted.items():
        print(f"{name:<11}{found.data:>11.2f}{found.control:>14.2f}{found.writing:>22.2f}")
        kinds = ", ".join(f"{times / max(1, found.requests):.2f} {kind}" for kind, times in found.kinds.most_common(6))
        print(f"{'':<11}  {kinds}")
