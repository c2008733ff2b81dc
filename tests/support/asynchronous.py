"""Runs a coroutine in a thread of its own: Playwright's synchronous API keeps a loop running in the test's thread."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

import anyio

TArguments = TypeVarTuple("TArguments")
TResult = TypeVar("TResult")


def run(function: Callable[[*TArguments], Awaitable[TResult]], *arguments: *TArguments) -> TResult:
    """What the coroutine function returns, or raises."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(lambda: anyio.run(function, *arguments)).result()
