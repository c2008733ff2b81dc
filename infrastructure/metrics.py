"""Every metric that is served, by name: what kind it is, what it says, by which labels; docs/metrics.md says the same to people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from application.counting import BOUNDS, Key

PREFIX = "grantbook_"
Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Definition:
    """`name` as it is counted by; served with the prefix, and counters with `_total`."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    @property
    def served_name(self) -> str:
        return PREFIX + self.name + ("_total" if self.kind == "counter" else "")


METRICS: tuple[Definition, ...] = (
    Definition("request_seconds", "histogram", "HTTP requests, and the time until each answer began.", ("server", "endpoint", "status")),
    Definition("oauth_errors", "counter", "Errors that OAuth clients were told.", ("error",)),
    Definition("refreshes", "counter", "Refresh requests by outcome.", ("outcome", "reason")),
    Definition("code_exchanges", "counter", "Authorization codes by what came of them.", ("outcome", "reason")),
    Definition("registrations", "counter", "Dynamic registrations by outcome.", ("outcome", "reason")),
    Definition("sign_ins", "counter", "Sign-ins of people by outcome.", ("method", "outcome")),
    Definition("introspections", "counter", "Introspected tokens.", ("outcome",)),
    Definition("gateway_calls", "counter", "Recorded calls through the MCP gateway.", ("outcome",)),
    Definition("upstream_seconds", "histogram", "Time until an upstream's answer began."),
    Definition("upstream_failures", "counter", "Calls to an upstream that gave no answer."),
    Definition("rollback_alarms", "counter", "Genuine refresh tokens that were never recorded: was a backup restored?"),
    Definition("barrier_seconds", "histogram", "Waiting until a revocation holds everywhere."),
    Definition("conflicts", "counter", "Decisions taken again because something newer came in between."),
    Definition("gave_up", "counter", "Decisions given up after too many conflicts (503)."),
    Definition("database_errors", "counter", "Errors of the database on the decision path.", ("kind",)),
    Definition("events_positioned", "counter", "Events that the sequencer gave a position."),
    Definition("sequencer_batches", "counter", "Batches that the sequencer positioned."),
    Definition("projector_interruptions", "counter", "Times that the projector had to begin anew.", ("why",)),
    Definition("ledger_deposits", "counter", "Deposits of checkpoints outside by outcome.", ("kind", "outcome")),
    Definition("cache_entries", "gauge", "Entries of a cache, in all processes of this server.", ("cache",)),
    Definition("processes", "gauge", "Running processes of this server.", ("process",)),
    Definition("draining", "gauge", "1 while the server is about to end."),
    Definition("database_up", "gauge", "1 if the database answered this scrape."),
    Definition("head_position", "gauge", "The last position of the ledger."),
    Definition("projection_lag_events", "gauge", "Events that a projection has not taken yet.", ("projection",)),
    Definition("projection_lag_seconds", "gauge", "How far a projection is behind.", ("projection",)),
    Definition("projection_stopped", "gauge", "1 if a projection stopped at an event that it can't digest.", ("projection",)),
    Definition("projection_differences", "gauge", "Rows of a projection that were not as the events say when it was last compared.", ("projection",)),
    Definition("projection_compared_age_seconds", "gauge", "Time since the views were last compared with the events."),
    Definition("order_stall_seconds", "gauge", "Age of the oldest transaction that holds up the order of events; 0 if none does."),
    Definition("ledger_refused", "gauge", "1 if nothing is signed, because what was signed before is not what the database holds."),
    Definition("ledger_place_age_seconds", "gauge", "Time since a checkpoint was last deposited at a place.", ("kind", "place")),
    Definition("ledger_place_failing_seconds", "gauge", "How long deposits at a place have failed; 0 if the last one was made.", ("kind", "place")),
)
BY_NAME: Mapping[str, Definition] = {definition.name: definition for definition in METRICS}


def families(numbers: Mapping[Key, float], times: Mapping[Key, Sequence[float]]) -> Iterable[Metric]:
    """The families of all counters, gauges and histograms that these hold; a counter without labels begins at 0."""
    for definition in METRICS:
        if definition.kind == "histogram":
            yield _histogram(definition, {key[1:]: slots for key, slots in times.items() if key[0] == definition.name})
            continue
        found = {key[1:]: value for key, value in numbers.items() if key[0] == definition.name}
        if not found and not definition.labels and definition.kind == "counter":
            found = {(): 0.0}
        if found:
            yield _plain(definition, found)


def _plain(definition: Definition, found: Mapping[Key, float]) -> Metric:
    make = CounterMetricFamily if definition.kind == "counter" else GaugeMetricFamily
    family = make(PREFIX + definition.name, definition.help, labels=definition.labels)
    for labels, value in sorted(found.items()):
        family.add_metric(labels, value)
    return family


def _histogram(definition: Definition, found: Mapping[Key, Sequence[float]]) -> Metric:
    family = HistogramMetricFamily(PREFIX + definition.name, definition.help, labels=definition.labels)
    for labels, slots in sorted(found.items()):
        passed, buckets = 0.0, []
        for bound, number in zip([*map(str, BOUNDS), "+Inf"], slots, strict=False):
            passed += number
            buckets.append((bound, passed))
        family.add_metric(labels, buckets, sum_value=slots[-1])
    return family
