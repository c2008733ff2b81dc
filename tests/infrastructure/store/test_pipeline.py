"""A pipeline whose server ends in the middle."""

from __future__ import annotations

from concurrent.futures import Future

from application.counting import COUNTS
from infrastructure.store.errors import Lost
from infrastructure.store.pipeline import Pipeline
from infrastructure.store.prepared import BYTEA_OID, Statement
from tests.support.on_the_loop import on_the_loop
from tests.support.postgres import Database

LENGTH = Statement("length", "SELECT length($1)::bigint", (BYTEA_OID,))
END = Statement("end_itself", "SELECT pg_terminate_backend(pg_backend_pid())", ())


def test_whoever_waits_hears_of_a_server_that_ended_without_reading_everything(database: Database) -> None:
    """Then the socket fails with the server's last words still in it."""
    with on_the_loop() as loop:
        pipeline = Pipeline(database.superuser_dsn, loop.thread)

        def ask(statement: Statement, *parameters: bytes) -> Future[Exception | None]:
            told: Future[Exception | None] = Future()
            pipeline.ask(statement, parameters, lambda _, error: told.set_result(error))
            return told

        def both() -> list[Future[Exception | None]]:
            return [ask(END), ask(LENGTH, bytes(100_000))]

        assert loop.run(lambda: ask(LENGTH, b"")).result(60) is None
        lost = lost_connections()
        for _ in range(5):
            assert [type(told.result(60)) for told in loop.run(both)] == [Lost, Lost]
        assert loop.run(lambda: ask(LENGTH, b"")).result(60) is None
        assert lost_connections() == lost + 5
        loop.run(pipeline.close)
        assert lost_connections() == lost + 5, "given up on purpose"


def lost_connections() -> float:
    return COUNTS.read()[0].get(("database_errors", "lost"), 0)
