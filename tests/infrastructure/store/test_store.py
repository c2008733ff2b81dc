from __future__ import annotations

from tests.infrastructure.store import given
from tests.support.postgres import Database


def test_what_is_appended_can_be_loaded_by_another_process(database: Database) -> None:
    with given.store_on(database) as store, given.store_on(database) as other:
        made = given.world(store)
        assert given.standing(other, made).judged == given.standing(store, made).judged
        assert vars(given.standing(other, made).member)["held"] == vars(given.standing(store, made).member)["held"]


def test_a_rotation_is_appended_from_the_cache_alone(database: Database) -> None:
    with given.store_on(database) as store, given.store_on(database) as other:
        made = given.world(store)
        for _ in range(3):
            cached = store.cached_standing(made.grant)
            assert cached is not None
            grant = cached.grant.copy()
            given.rotate(grant, cached, made)
            assert store.append_rotation(grant, cached, head=cached.grant.version)
        assert given.standing(other, made).grant.version == 5
