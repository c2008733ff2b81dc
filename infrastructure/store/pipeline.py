"""A connection of the decision path for tasks on the event loop: what is asked in one turn goes out together, each statement its own transaction."""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import pq

from application.counting import count
from infrastructure.store import prepared
from infrastructure.store.errors import Lost, ReadOnly
from infrastructure.store.prepared import BINARY, Statement, checked, fine
from infrastructure.tasks import LoopThread, Task

Answered = Callable[[pq.abc.PGresult | None, Exception | None], None]
_CLOSES_WITHIN_S = 5.0
_SYNC = int(pq.ExecStatus.PIPELINE_SYNC)


class _Asked:
    """A statement on its way, and what came back for it so far."""

    __slots__ = ("answered", "parameters", "result", "statement")

    def __init__(self, statement: Statement, parameters: Sequence[bytes], answered: Answered) -> None:
        self.statement, self.parameters, self.answered = statement, parameters, answered
        self.result: pq.abc.PGresult | None = None

    def take(self, result: pq.abc.PGresult) -> None:
        """Keep the last result, or the first that is an error."""
        if self.result is None or fine(self.result):
            self.result = result


class Pipeline:
    """Made and used on the loop's thread only. It connects when it is first asked, and anew after a loss."""

    def __init__(self, dsn: str, thread: LoopThread) -> None:
        self._dsn, self.thread, self._loop = dsn, thread, thread.loop
        self._connection: psycopg.Connection[Any] | None = None
        self._watched, self._hung_up, self._made = -1, select.poll(), 0.0
        self._connecting = self._due = self._writing = False
        self._prepared: set[bytes] = set()
        self._queued: list[_Asked] = []
        self._under_way: deque[_Asked] = deque()
        thread.at_end.append(self.close)

    def run(self, task: Task, statement: Statement, parameters: Sequence[bytes]) -> pq.abc.PGresult:
        """The statement's result; raises as `Kept.run` does."""
        self.ask(statement, parameters, lambda result, error: task.switch((result, error)))
        result, error = task.give_way()
        if error is not None:
            raise error
        found: pq.abc.PGresult = result
        return found

    def ask(self, statement: Statement, parameters: Sequence[bytes], answered: Answered, *, at_once: bool = False) -> None:
        """Send the statement at the end of this turn, or at once; `answered` gets its result or error, never before this returns."""
        self._queued.append(_Asked(statement, parameters, answered))
        if at_once and self._connection is not None:
            self._send()
        elif not self._due:
            self._due = True
            self._loop.call_soon(self._send)

    def close(self) -> None:
        """Give the connection up; whoever waits hears that it is lost."""
        self._give_up("the worker ends")

    def close_from_elsewhere(self) -> None:
        """The same from another thread than the loop's; returns when it is done, if the loop still runs."""
        if self._loop.is_running():
            closed = threading.Event()
            self._loop.call_soon_threadsafe(self.close)
            self._loop.call_soon_threadsafe(closed.set)
            closed.wait(_CLOSES_WITHIN_S)

    def _send(self) -> None:
        self._due = False
        if self._connection is None:
            self._connect()
            return
        queued, self._queued = self._queued, []
        pg = self._connection.pgconn
        self._under_way.extend(queued)
        try:
            for asked in queued:
                statement = asked.statement
                if statement.name not in self._prepared:
                    pg.send_prepare(statement.name, statement.sql, statement.oids)
                    self._prepared.add(statement.name)
                pg.send_query_prepared(statement.name, asked.parameters, statement.formats, BINARY)
                pg.pipeline_sync()
            self._flush()
        except Exception as error:  # noqa: BLE001  # whatever it is, results would no longer come in the order in which was asked
            self._loop.call_soon(self._lose, str(error), self._connection)

    def _flush(self) -> None:
        assert self._connection is not None
        unsent = bool(self._connection.pgconn.flush())
        if unsent != self._writing:
            self._writing = unsent
            if unsent:
                self._loop.add_writer(self._watched, self._writable)
            else:
                self._loop.remove_writer(self._watched)

    def _writable(self) -> None:
        try:
            self._flush()
        except psycopg.OperationalError as error:
            self._lose(str(error))

    def _readable(self) -> None:
        assert self._connection is not None
        pg, nothing = self._connection.pgconn, 0
        try:
            pg.consume_input()
            while self._under_way and not pg.is_busy():
                result = pg.get_result()
                if result is not None:
                    nothing = 0
                    if result.status != _SYNC:
                        self._under_way[0].take(result)
                    elif not self._answered():
                        return
                elif (nothing := nothing + 1) > 1:  # one None ends each statement; two say that nothing comes any more
                    raise psycopg.OperationalError(pg.get_error_message())
        except psycopg.OperationalError as error:
            self._lose(str(error))
            return
        if self._hung_up.poll(0):
            self._loop.call_soon(self._read_on, self._connection)

    def _read_on(self, connection: psycopg.Connection[Any] | None) -> None:
        """To the end of what the server has left behind: uvloop tells of a socket that failed but once, though there may be more to read."""
        if connection is not None and connection is self._connection:
            self._readable()

    def _answered(self) -> bool:
        """Tell whoever asked first; False once the connection is given up."""
        asked, connection = self._under_way.popleft(), self._connection
        assert asked.result is not None
        assert connection is not None
        try:
            found = checked(connection.pgconn, asked.result)
        except Lost as error:  # what is prepared there is stale, or the server is going down
            self._lose(str(error), connection)
            asked.answered(None, error)
        except ReadOnly as error:
            if self._loop.time() - self._made > prepared.STALE_AFTER_S:
                self._lose(str(error), connection)
            asked.answered(None, error)
        except Exception as error:  # noqa: BLE001  # raised where it was asked
            asked.answered(None, error)
        else:
            asked.answered(found, None)
        return self._connection is connection

    def _connect(self) -> None:
        if not self._connecting:
            self._connecting = True
            connected = self._loop.run_in_executor(self.thread.urgent, lambda: psycopg.connect(self._dsn, autocommit=True))
            connected.add_done_callback(lambda done: self._connected(done.result) if not done.cancelled() else None)

    def _connected(self, outcome: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connecting = False
        try:
            connection = outcome()
        except psycopg.OperationalError as error:
            count("database_errors", "unreachable")
            self._lose(str(error))
            return
        pg = connection.pgconn
        pg.nonblocking = 1
        pg.enter_pipeline_mode()
        self._connection, self._prepared, self._made = connection, set(), self._loop.time()
        self._watched = os.dup(pg.socket)  # libpq closes its own when it loses the connection, behind the loop's back
        self._hung_up = select.poll()
        self._hung_up.register(self._watched, 0)  # errors and hang-ups are always told
        self._loop.add_reader(self._watched, self._readable)
        self._send()

    def _lose(self, message: str, only: psycopg.Connection[Any] | None = None) -> None:
        """Forget the connection (only this one, if it is told); everyone who waits hears of it and may ask anew."""
        if only is not None and only is not self._connection:
            return
        if self._connection is not None:
            count("database_errors", "lost")
        self._give_up(message)

    def _give_up(self, message: str) -> None:
        connection, self._connection = self._connection, None
        waiting = [*self._under_way, *self._queued]
        self._under_way.clear()
        self._queued = []
        if connection is not None:
            self._loop.remove_reader(self._watched)
            self._loop.remove_writer(self._watched)
            self._writing = False
            os.close(self._watched)
            connection.close()
        for asked in waiting:
            asked.answered(None, Lost(message))
