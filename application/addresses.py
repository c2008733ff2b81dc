"""The addresses that requests come from: which are this computer, and the keyed hash under which they are counted."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from application.services import Services

_PREFIX_BYTES = 8


def is_loopback(address: str | None) -> bool:
    """Whether a peer is this computer."""
    parsed = _parsed(address or "")
    return parsed is not None and parsed.is_loopback


def counted(services: Services, account_id: str, address: str) -> str:
    """How a counter names an address: addresses are personal, so it is a keyed hash. An IPv6 peer counts by its /64."""
    return services.login_key(account_id, f"address:{_network(address)}").hex()


def _network(address: str) -> str:
    parsed = _parsed(address)
    if parsed is None:
        return address
    return parsed.packed[:_PREFIX_BYTES].hex() if parsed.version == 6 else str(parsed)


@lru_cache(maxsize=4096)
def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return parsed.ipv4_mapped or parsed if parsed.version == 6 else parsed
