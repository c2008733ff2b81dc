"""How a call ended, read from the upstream's answer, and recorded exactly once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

LONGEST_EVENT = 16 * 1024 * 1024


class Unrecorded(Exception):
    """What was done could not be recorded, so its answer is held back."""


class Settlement:
    """Records the outcome of one call; whatever is said after the first time is ignored."""

    def __init__(self, record: Callable[[str, str | None], None] | None) -> None:
        self._record = record

    def settle(self, outcome: str, detail: str | None = None) -> None:
        """`ok`, `refused` or `failed`, and why. Raises what recording raises."""
        record, self._record = self._record, None
        if record is not None:
            record(outcome, detail)

    @property
    def open(self) -> bool:
        """Whether there is anything left to record."""
        return self._record is not None


def decoded(body: bytes) -> Any:
    """The JSON value of a body, or None."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def judge_answer(answer: Any) -> tuple[str, str | None] | None:
    """Outcome and detail of a JSON-RPC response; None for anything else, such as a notification on the way."""
    if not isinstance(answer, dict) or "method" in answer or not ("result" in answer or "error" in answer):
        return None
    error, result = answer.get("error"), answer.get("result")
    if error is not None:
        code = error.get("code") if isinstance(error, dict) else None
        return "failed", f"error {code}" if isinstance(code, int) else "error"
    if isinstance(result, dict) and result.get("isError") is True:
        return "failed", "tool error"
    return "ok", None


class EventReader:
    """The data of server-sent events, from bytes in pieces of any size. An event longer than 16 MB is passed over."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False

    @property
    def between_lines(self) -> bool:
        """Whether a comment may be put in here."""
        return not self._line and not self._after_cr

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of each event that this chunk completes."""
        if not chunk:
            return []
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        *lines, rest = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        done: list[bytes] = []
        for line in lines:
            whole = bytes(self._line + line)
            self._line.clear()
            self._take(whole, done)
        if len(self._line) + len(rest) > LONGEST_EVENT:
            self._line[:] = b":"
        else:
            self._line += rest
        return done

    def _take(self, line: bytes, done: list[bytes]) -> None:
        if not line:
            if self._data and self._size <= LONGEST_EVENT:
                done.append(b"\n".join(self._data))
            self._data, self._size = [], 0
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._size += len(value)
            if self._size <= LONGEST_EVENT:
                self._data.append(value.removeprefix(b" "))
