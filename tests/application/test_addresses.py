from __future__ import annotations

import pytest

from application import addresses
from tests.support.oauth_world import World

A = "b1a157f6-b1f8-5a05-9f2c-e3bbfdc412dc"


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_computer_is_known_by_all_its_names(address: str) -> None:
    assert addresses.is_loopback(address)


@pytest.mark.parametrize("address", [None, "", "localhost", "203.0.113.1", "::2", "127.0.0.1, 203.0.113.1"])
def test_everything_else_is_elsewhere(address: str | None) -> None:
    assert not addresses.is_loopback(address)


def test_an_address_is_counted_under_a_keyed_hash_and_ipv6_by_its_network(shared: World) -> None:
    def counted(address: str) -> str:
        return addresses.counted(shared.services, A, address)

    assert counted("203.0.113.1") == counted("::ffff:203.0.113.1") != counted("203.0.113.2")
    assert counted("2001:db8::1") == counted("2001:db8::ffff:1") != counted("2001:db8:0:1::1")
    assert len(counted("203.0.113.1")) == 64
