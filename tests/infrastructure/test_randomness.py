from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from infrastructure.randomness import LARGEST, random_bytes, random_hex, random_uuid


def test_nothing_is_given_twice_however_many_ask() -> None:
    with ThreadPoolExecutor(4) as threads:
        given = list(threads.map(lambda _: random_bytes(16), range(4 * LARGEST // 16)))
    assert {len(each) for each in given} == {16}
    assert len(set(given)) == len(given)


def test_a_forked_process_gives_nothing_that_its_parent_gives() -> None:
    random_bytes(16)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, random_bytes(16))
        os._exit(0)
    os.waitpid(child, 0)
    with os.fdopen(reader, "rb") as found:
        os.close(writer)
        assert found.read() != random_bytes(16)


def test_ids_are_of_version_4_and_hex_has_two_digits_for_each_byte() -> None:
    assert (random_uuid().version, random_uuid().variant) == (4, "specified in RFC 4122")
    assert len(random_hex(16)) == 32
