"""One kept connection per thread for the decision path, and prepared statements straight through libpq."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec, TypeVar

import psycopg
from psycopg import pq

from application.counting import count
from application.ports import Busy
from infrastructure.database import decide_dsn
from infrastructure.store import prepared
from infrastructure.store.errors import Lost, ReadOnly, from_sqlstate
from infrastructure.store.pipeline import Pipeline
from infrastructure.store.prepared import BINARY, Statement, checked
from infrastructure.tasks import Task, aside, running

P = ParamSpec("P")
TResult = TypeVar("TResult")


class _Process:
    """Tells a process from the one it was forked from, without asking the kernel at each request."""

    def __init__(self) -> None:
        self.number = os.getpid()
        os.register_at_fork(after_in_child=self._renumber)

    def _renumber(self) -> None:
        self.number = os.getpid()


_process = _Process()


class Kept:
    """A connection that stays with its thread."""

    def __init__(self, dsn: str) -> None:
        self.connection: psycopg.Connection[Any] = psycopg.connect(dsn, autocommit=True)
        self._pg = self.connection.pgconn
        self._prepared: set[bytes] = set()
        self.process, self.made = _process.number, time.monotonic()

    def run(self, statement: Statement, parameters: Sequence[bytes]) -> pq.abc.PGresult:
        """Run a prepared statement; raises `Lost`, `Conflict`, `Busy` or a psycopg error."""
        try:
            if statement.name not in self._prepared:
                checked(self._pg, self._pg.prepare(statement.name, statement.sql, statement.oids))
                self._prepared.add(statement.name)
            return checked(self._pg, self._pg.exec_prepared(statement.name, parameters, statement.formats, BINARY))
        except psycopg.OperationalError as error:  # libpq could not even send it
            count("database_errors", "lost")
            raise Lost(str(error)) from error

    def close(self) -> None:
        if self.process == _process.number:
            self.connection.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # the connection was never made
            self.close()


class Connections:
    """The connections of all threads to one database, as the decision path needs them."""

    def __init__(self, dsn: str) -> None:
        self.dsn = decide_dsn(dsn)
        self._reading: Pipeline | None = None
        self._pipelines: list[Pipeline] = []
        self._local = threading.local()
        self._all: weakref.WeakSet[Kept] = weakref.WeakSet()

    def get(self) -> Kept:
        """This thread's connection; `Lost` if there is none to be had. No task on the event loop may block by one."""
        if running() is not None:
            raise RuntimeError("a task on the event loop asked for a connection that blocks; infrastructure.tasks.aside is the way")
        kept: Kept | None = getattr(self._local, "kept", None)
        if kept is not None and kept.process == _process.number:
            return kept
        try:
            kept = Kept(self.dsn)
        except psycopg.OperationalError as error:
            count("database_errors", "unreachable")
            raise Lost(str(error)) from error
        self._local.kept = kept
        self._all.add(kept)
        return kept

    def drop(self) -> None:
        """Forget this thread's connection; the next `get` makes a new one."""
        kept: Kept | None = getattr(self._local, "kept", None)
        self._local.kept = None
        if kept is not None:
            kept.close()

    def close(self) -> None:
        """Close every thread's connection (no thread may be using one), and those of tasks."""
        for kept in list(self._all):
            kept.close()
        for pipeline in self._pipelines:
            pipeline.close_from_elsewhere()
        self._local = threading.local()

    def read(self, work: Callable[[Kept], TResult]) -> TResult:
        """Do something that changes nothing, or may be done twice: once more on a new connection if it is lost on the way, then `Busy`."""
        return aside(lambda: self._read(work))

    def run(self, statement: Statement, parameters: Sequence[bytes]) -> pq.abc.PGresult:
        """The same for one prepared statement, for which a task on the event loop needs no other thread."""
        task = running()
        if task is None:
            return self._read(lambda kept: kept.run(statement, parameters))
        return _twice(self._by_pipeline, task, statement, parameters)

    def _by_pipeline(self, task: Task, statement: Statement, parameters: Sequence[bytes]) -> pq.abc.PGresult:
        if self._reading is None or self._reading.thread is not task.thread:
            self._reading = self.pipeline(task)
        return self._reading.run(task, statement, parameters)

    def pipeline(self, task: Task) -> Pipeline:
        """Another connection for the tasks of this task's loop."""
        made = Pipeline(self.dsn, task.thread)
        self._pipelines.append(made)
        return made

    def _read(self, work: Callable[[Kept], TResult]) -> TResult:
        return _twice(self.by_own, work)

    def by_own(self, work: Callable[[Kept], TResult]) -> TResult:
        """Do something once on this thread's connection, which is forgotten if it is lost, or may not write and is no new one."""
        kept = self.get()
        try:
            return work(kept)
        except Lost:
            self.drop()
            raise
        except ReadOnly:
            if time.monotonic() - kept.made > prepared.STALE_AFTER_S:
                self.drop()
            raise

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a plain query that may be done twice."""
        return self.read(lambda kept: plain(kept, sql, parameters))


def _twice(work: Callable[P, TResult], *given: P.args, **named: P.kwargs) -> TResult:
    """Once more if the connection is lost on the way, then `Busy`."""
    try:
        return work(*given, **named)
    except Lost:
        pass
    try:
        return work(*given, **named)
    except Lost as error:
        raise Busy from error


def connections_for(dsn: str) -> Connections:
    """The connections to a database, shared by all in this process that ask with the same string while one of them lives."""
    with _shared_lock:
        found = _shared.get(dsn)
        if found is None:
            found = _shared[dsn] = Connections(dsn)
        return found


_shared: weakref.WeakValueDictionary[str, Connections] = weakref.WeakValueDictionary()
_shared_lock = threading.Lock()


def plain(kept: Kept, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Run a query through psycopg with the store's exceptions; no rows for a statement that gives none."""
    with translated():
        cursor = kept.connection.execute(sql.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn psycopg's errors into the store's; what is no matter of the connection or the moment (a unique violation too) stays as it is."""
    try:
        yield
    except psycopg.errors.UniqueViolation:
        raise
    except psycopg.Error as error:
        mapped = from_sqlstate(error.sqlstate, str(error))
        if type(mapped) is type(error) or (error.sqlstate is None and not isinstance(error, psycopg.OperationalError)):
            raise
        raise mapped from error
