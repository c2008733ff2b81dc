"""What every tool works with: the projects, the data set's seed, the changed state and the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from web.demo.upstream.caller import Caller, Reach, caller_of, reach_of
from web.demo.upstream.catalog import ChangeRefused
from web.demo.upstream.projects import ProjectDirectory
from web.demo.upstream.state import StateStore

ToolContext = Context[Any, Any]


@dataclass(frozen=True, slots=True)
class World:
    """The demo's account."""

    account: str
    seed: str
    directory: ProjectDirectory
    store: StateStore
    clock: Callable[[], datetime]

    def caller(self, context: ToolContext) -> Caller:
        """For whom the tool is called."""
        return caller_of(context.request_context.request)

    def reach(self, context: ToolContext) -> Reach:
        """Which projects this call may touch."""
        return reach_of(self.caller(context), self.directory.all())


@contextmanager
def told_to_the_caller() -> Iterator[None]:
    """Turn a refused change into the tool's error."""
    try:
        yield
    except ChangeRefused as refused:
        raise ToolError(str(refused)) from refused
