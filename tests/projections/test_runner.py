from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from infrastructure.store.store import PostgresStore
from projections import view
from projections.events import PersonalReader
from projections.feed.feed import Feed
from projections.preparing import prepare
from projections.registry import BY_NAME
from projections.runner import Fenced, Runner, apply_batch
from tests.projections.history import History
from tests.projections.support import contents, forget_everything, run_all

Connection = psycopg.Connection[Any]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_sizes_of_batches_give_equal_rows(
    seed: int, store: PostgresStore, connection: Connection, sequence: Callable[[], None], new_reader: Callable[[], PersonalReader]
) -> None:
    prepare(connection)
    history = History(store, seed)
    history.play(250)
    sequence()
    run_all(connection, new_reader())
    assert all(s.state == "live" for s in view.standings(connection).values())
    expected = contents(connection)
    assert all(expected[table] for table in ("sessions", "clients", "integrations", "consents", "members", "audit_log", "session_endings"))
    assert all(expected[table] for table in ("usage_days", "usage_account_days", "usage_scopes", "approval_requests"))
    sizes = random.Random(seed)
    for most in (1, 2, 7, 40):
        forget_everything(connection)
        run_all(connection, new_reader(), lambda most=most: sizes.randint(1, most))  # type: ignore[misc]
        for table, rows in contents(connection).items():
            assert rows == expected[table], f"{table}, batches of up to {most}"


def poison(owner: Connection, topic: str, state: bytes, version: int = 1) -> None:
    """Record an event that no release of ours would write."""
    account = owner.execute("SELECT account_id FROM events LIMIT 1").fetchone()
    assert account is not None
    query = "INSERT INTO events (originator_id, originator_version, topic, state, account_id) VALUES (gen_random_uuid(), %s, %s, %s, %s)"
    owner.execute(query, (version, topic, state, account[0]))


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (b'{"timestamp":1790000000000000,"account_id":"x"}', "KeyError"),
        (b'{"timestamp":1790000000000000,"cut o', "ValueError: DecodeError"),
        (
            b'{"timestamp":1790000000000000,"client_stream":null,"source":"system","address":null,"actor_id":null,'
            b'"for_client":"no id","member_id":"no id","requested":[],"resource":"","text":"","version":1,"approved":["x"],'
            b'"denied":[],"projects":"*","keep_alive":true,"lifetimes":{},"held":[],"grant_id":null}',
            "InvalidTextRepresentation",
        ),
    ],
)
def test_a_poison_event_stops_only_its_projection_before_the_event_and_says_so(
    state: bytes, said: str, store: PostgresStore, connection: Connection, owner: Connection, sequence: Callable[[], None],
    new_reader: Callable[[], PersonalReader],
) -> None:  # fmt: skip
    prepare(connection)
    history = History(store, 4)
    history.play(60)
    sequence()
    before = view.head(connection)
    poison(owner, "consent.given", state)
    history.play(60)
    sequence()
    run_all(connection, new_reader())
    standings, head = view.standings(connection), view.head(connection)
    assert standings["consents"].state == "stopped"
    assert standings["consents"].position == before
    assert f"event {before + 1} (consent.given): {said}" in (standings["consents"].error or "")
    assert standings["members"].state == "live"
    assert standings["members"].position == standings["integrations"].position == head
    taken = connection.execute("SELECT max(changed_position) FROM views.consents").fetchone()
    assert taken is not None
    assert taken[0] <= before


def test_a_poison_event_that_the_database_refuses_lets_through_what_came_before_it_in_the_batch(
    store: PostgresStore, connection: Connection, owner: Connection, sequence: Callable[[], None], new_reader: Callable[[], PersonalReader]
) -> None:
    prepare(connection)
    history = History(store, 5)
    history.play(80)
    refused = (
        b'{"timestamp":1790000000000000,"client_stream":null,"source":"system","address":null,"actor_id":"nobody","kid":"k","use":"token","alg":"x"}'
    )
    poison(owner, "signing_key.published", refused)
    sequence()
    run_all(connection, new_reader())
    standing = view.standings(connection)["audit_log"]
    assert standing.state == "stopped"
    assert standing.position == view.head(connection) - 1
    before = contents(connection)["audit_log"]
    assert before
    view.resume(connection)
    run_all(connection, new_reader())
    assert view.standings(connection)["audit_log"].state == "stopped"
    assert contents(connection)["audit_log"] == before


def test_a_writer_that_believes_in_another_position_or_table_writes_nothing(
    store: PostgresStore, connection: Connection, sequence: Callable[[], None], new_reader: Callable[[], PersonalReader]
) -> None:
    prepare(connection)
    History(store, 6).play(40)
    sequence()
    run_all(connection, new_reader())
    members, standing = BY_NAME["members"], view.standings(connection)["members"]
    rows = contents(connection)
    events = list(Feed(connection, members.topics).read(0, standing.position))
    for position, suffix in ((0, standing.suffix), (standing.position, "_00000000")):
        with pytest.raises(Fenced):
            apply_batch(connection, members, suffix, events, position, standing.position + 1, new_reader())
    assert contents(connection) == rows
    assert view.standings(connection)["members"].position == standing.position


def test_two_runners_at_once_write_each_event_once(
    store: PostgresStore, connection: Connection, other_connection: Connection, sequence: Callable[[], None], new_reader: Callable[[], PersonalReader]
) -> None:
    prepare(connection)
    History(store, 7).play(200)
    sequence()
    readers = [new_reader(), new_reader()]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            run_all([connection, other_connection][number], readers[number], 9)
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    run_all(connection, new_reader())
    rows = contents(connection)
    forget_everything(connection)
    run_all(connection, new_reader())
    assert rows == contents(connection)


def test_projections_that_stand_at_the_same_place_are_taken_on_in_one_transaction(
    store: PostgresStore, connection: Connection, sequence: Callable[[], None], new_reader: Callable[[], PersonalReader]
) -> None:
    prepare(connection)
    History(store, 8).play(40)
    sequence()
    assert Runner(connection, new_reader()).step().taken
    assert len({standing.updated_at for standing in view.standings(connection).values()}) == 1
