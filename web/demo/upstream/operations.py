"""Which scope each tool needs: read from operations.json, which the gateway's registration of this resource uses too."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

OPERATIONS_FILE = Path(__file__).with_name("operations.json")


class Operation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The scope that calling a tool needs, and the argument that names a project where it has one."""

    scope: str
    project_argument: str | None = None


class _Operations(msgspec.Struct):
    tools: dict[str, Operation]


@cache
def operations() -> dict[str, Operation]:
    """Every tool of this server by name."""
    return msgspec.json.decode(OPERATIONS_FILE.read_bytes(), type=_Operations).tools
