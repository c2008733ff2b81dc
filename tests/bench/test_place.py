"""Where a benchmark's server lies."""

from __future__ import annotations

from pathlib import Path

from bench.place import free_port

_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_no_outgoing_connection_takes_the_ports_before_the_server_does() -> None:
    assert free_port() + 1 < int(_OUTGOING.read_text().split()[0])
