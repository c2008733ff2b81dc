"""Whole histories as they were written once, with the keys to their personal values and what they came to: states of streams, rows of views.

`python -m tests.support.golden_corpus NAME` records a history that holds every topic (NAME is a release), once, and never changes it.
`python -m tests.support.golden_corpus --expected` writes anew what the recorded histories come to, where that was meant to change; read its diff.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from domain.base import RecordedAnyTime, Stream
from infrastructure.projector_workers import writer_dsn
from infrastructure.store.fold import Folder, Row
from infrastructure.store.keyring import Keyring
from infrastructure.store.mapper import EventMapper
from infrastructure.store.registry import topics
from infrastructure.store.sequencer import Sequencer
from projections import view
from projections.events import PersonalReader
from projections.preparing import prepare
from projections.registry import PROJECTIONS
from projections.runner import Runner
from tests.infrastructure.store.given import WRAPPING_KEYS, store_on
from tests.projections.history import MCP, History
from tests.support.event_fixtures import sample
from tests.support.postgres import Database, running_cluster

FOLDER = Path(__file__).parent.parent / "fixtures" / "corpus"
_STEPS = 110
_KEYS = {
    "subjects": ("subject", "account_id"),
    "subject_keys": ("kid", "subject", "period", "wrapped", "kek_id"),
}
_FITTING = {"identifier": MCP, "acc": "00" * 32}
"""What a sample must say to fit into the history."""

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Corpus:
    """One recorded history: rows of the tables of keys, and events in their order."""

    name: str
    keys: dict[str, list[list[str]]]
    events: list[list[Any]]

    @property
    def topics(self) -> set[str]:
        return {event[2] for event in self.events}

    @property
    def outcome(self) -> Path:
        """Where what it comes to is written down."""
        return FOLDER / f"{self.name}.expected.json"

    def write(self) -> None:
        lines = [json.dumps(each, ensure_ascii=False) for each in (self.keys, *self.events)]
        (FOLDER / f"{self.name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def corpora() -> list[Corpus]:
    """All that were recorded, oldest first."""
    found = []
    for path in sorted(FOLDER.glob("*.jsonl")):
        keys, *events = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        found.append(Corpus(path.stem, keys, events))
    return found


# ---- what a history comes to


def outcome(corpus: Corpus, database: Database) -> dict[str, Any]:
    """Load it into an empty store: fold every stream, project everything."""
    with psycopg.connect(writer_dsn(database.web_dsn), autocommit=True) as connection:
        prepare(connection)
        _load(corpus, connection)
        return {"streams": dict(_states(corpus)), "views": _views(connection, database)}


def _load(corpus: Corpus, connection: Connection) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        for table, columns in _KEYS.items():
            rows = [[bytes.fromhex(v) if n == "wrapped" else v for n, v in zip(columns, row, strict=True)] for row in corpus.keys[table]]
            cursor.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})".encode(), rows)
        cursor.executemany(
            "INSERT INTO events (originator_id, originator_version, topic, state, account_id) VALUES (%s, %s, %s, %s, %s)",
            [(stream, version, topic, state.encode(), account) for stream, version, topic, state, account in corpus.events],
        )
    sequencer = Sequencer(connection)
    while sequencer.sequence():
        pass


def _states(corpus: Corpus) -> Iterator[tuple[str, dict[str, Any]]]:
    folder = Folder(EventMapper(_no_keyring()))
    rows: dict[str, list[Row]] = {}
    for stream, version, topic, state, _ in corpus.events:
        rows.setdefault(stream, []).append(Row(UUID(stream), version, topic, state.encode()))
    for stream, found in sorted(rows.items()):
        kind = topics()[found[0].topic].stream_class
        folded = folder.fold(kind, None, found)
        assert folded is not None, stream
        yield stream, {"kind": kind.__name__, **{k: _plain(v) for k, v in sorted(vars(folded).items()) if k != "_pending_events"}}


def _views(connection: Connection, database: Database) -> dict[str, list[str]]:
    keyring = Keyring(database.web_dsn, WRAPPING_KEYS)
    runner = Runner(connection, PersonalReader(keyring.open, keyring.prefetch), PROJECTIONS)
    while runner.step().taken:
        pass
    standings, found = view.standings(connection), {}
    for projection in PROJECTIONS:
        assert standings[projection.name].error is None, standings[projection.name].error
        for table, physical in projection.names(standings[projection.name].suffix).items():
            rows = connection.execute(f"SELECT to_jsonb(t)::text FROM {physical} t ORDER BY 1".encode()).fetchall()
            found[table] = [row[0] for row in rows]
    return found


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {k: _plain(v) for k, v in asdict(value).items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {k: _plain(v) for k, v in value._asdict().items()}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (UUID, bytes)):
        return value.hex if isinstance(value, UUID) else value.hex()
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in sorted(value.items(), key=lambda item: str(item[0]))}
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)


def _no_keyring() -> Any:
    return None


# ---- recording


def record(name: str, database: Database) -> Corpus:
    """A history through the domain and the product's own store, and after it a sample of each topic that it lacks."""
    with store_on(database) as store:
        history = History(store, seed=8)
        history.play(_STEPS)
        mapper = store.mapper
    with psycopg.connect(database.web_dsn, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT originator_id::text, originator_version, topic, state, account_id::text FROM events ORDER BY notification_id"
        )
        events = [[stream, version, topic, bytes(state).decode(), account] for stream, version, topic, state, account in rows]
        keys = {table: _rows(connection, table, columns) for table, columns in _KEYS.items()}
    return Corpus(name, keys, [*events, *_missing(events, mapper, history)])


def _rows(connection: Connection, table: str, columns: tuple[str, ...]) -> list[list[str]]:
    found = connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1".encode()).fetchall()
    return [[value.hex() if isinstance(value, bytes) else str(value) for value in row] for row in found]


def _missing(events: Iterable[list[Any]], mapper: EventMapper, history: History) -> Iterator[list[Any]]:
    last: dict[type[Stream], tuple[str, int]] = {}
    seen = set()
    for stream, version, topic, _, _ in events:
        seen.add(topic)
        last[topics()[topic].stream_class] = (stream, version)
    for topic, known in sorted(topics().items()):
        if topic in seen:
            continue
        stream, version = last.get(known.stream_class, (str(uuid4()), 0))
        assert version or issubclass(known.event_class, RecordedAnyTime), f"the history has no stream for {topic}"
        last[known.stream_class] = (stream, version + 1)
        event = sample(known.event_class)
        event.__dict__.update(originator_id=UUID(stream), originator_version=version + 1, account_id=history.account_id, timestamp=history.now)
        event.__dict__.update({name: value for name, value in _FITTING.items() if name in event.__dict__})
        written, state = mapper.encode(event)
        yield [stream, version + 1, written, state.decode(), history.account_id]


def main(arguments: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    with running_cluster() as cluster:
        if arguments and not arguments[0].startswith("--"):
            if (FOLDER / f"{arguments[0]}.jsonl").exists():
                raise SystemExit(f"{arguments[0]} was recorded: a corpus never changes.")
            with cluster.fresh() as database:
                record(arguments[0], database).write()
        for corpus in corpora():
            with cluster.fresh() as database:
                found = outcome(corpus, database)
            corpus.outcome.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
