"""The shape of a database connection that projections and their queries are handed (psycopg's, without naming it)."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol


class Connection(Protocol):
    """What a psycopg connection offers to views and queries. Writers need autocommit."""

    def execute(self, query: Any, params: Any = None, *, prepare: bool | None = None, binary: bool = False) -> Any: ...

    def cursor(self, *args: Any, **kwargs: Any) -> Any: ...

    def pipeline(self) -> AbstractContextManager[Any]: ...

    def transaction(self) -> AbstractContextManager[Any]: ...
