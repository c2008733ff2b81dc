"""What the system tells of processes that may end while one asks."""

from __future__ import annotations

from pathlib import Path


def read(pid: int, name: str) -> bytes:
    """A file below /proc/PID; nothing once the process has ended."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def alive(pid: int) -> bool:
    """Whether it runs still, and is not only unburied."""
    status = read(pid, "status")
    return bool(status) and b"\nState:\tZ" not in status
