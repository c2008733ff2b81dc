"""Races between using and ending: nothing is issued after an ending was answered, and no token counts twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from application import decide_app, revoke_grant
from tests.support.oauth_world import CLI, World


def test_after_a_block_was_answered_no_refresh_gets_tokens(world: World) -> None:
    for round_ in range(5):
        client_id = world.client_id(client_name=f"Tool {round_}")
        sessions = [world.tokens(client_id)["refresh_token"] for _ in range(4)]
        answered = threading.Event()

        def keep_refreshing(token: str, client_id: str = client_id, answered: threading.Event = answered) -> list[tuple[bool, int]]:
            seen = []
            for _ in range(200):
                was_answered = answered.is_set()
                response = world.refresh(client_id, token)
                seen.append((was_answered, response.status_code))
                if response.status_code != 200:
                    break
                token = response.get_json()["refresh_token"]
            return seen

        with ThreadPoolExecutor(4) as pool:
            running = [pool.submit(keep_refreshing, token) for token in sessions]
            decide_app.block(world.services, world.account_id, client_id, actor_id=world.admin_id, origin=CLI, reason=None)
            answered.set()
            seen = [pair for future in running for pair in future.result()]
        assert all(status == 401 for was_answered, status in seen if was_answered)
        assert sum(status == 401 for _, status in seen) == 4


def test_after_a_revocation_was_answered_no_code_and_no_token_works(world: World) -> None:
    client_id = world.client_id()
    for _ in range(10):
        tokens = world.tokens(client_id)
        grant_id = str(world.grant_id(tokens))
        with ThreadPoolExecutor(5) as pool:
            refreshes = [pool.submit(world.refresh, client_id, tokens["refresh_token"]) for _ in range(4)]
            revoke_grant.revoke(world.services, world.account_id, grant_id, by="admin", actor_id=world.admin_id, origin=CLI, reason=None)
            latest: Any = [f.result().get_json() for f in refreshes]
        for answer in [*latest, tokens]:
            if "access_token" in answer:
                assert world.introspect(answer["access_token"]) == {"active": False}
                assert world.refresh(client_id, answer["refresh_token"]).status_code == 400
        topics = world.topics(grant_id)
        assert topics[-1] == "grant.revoked"


def test_a_client_removed_while_its_code_is_exchanged_ends_without_tokens(world: World) -> None:
    for round_ in range(5):
        client_id = world.client_id(client_name=f"Tool {round_}")
        code = world.approve(client_id)["code"]
        with ThreadPoolExecutor(2) as pool:
            exchange = pool.submit(world.exchange, client_id, code)
            decide_app.remove(world.services, world.account_id, client_id, actor_id=world.admin_id, origin=CLI, reason=None)
            answer = exchange.result()
        assert answer.status_code in (200, 401)
        if answer.status_code == 200:
            assert world.introspect(answer.get_json()["access_token"]) == {"active": False}
            assert world.refresh(client_id, answer.get_json()["refresh_token"]).status_code == 401


def test_one_pending_request_gives_one_code_however_often_it_is_approved_at_once(world: World) -> None:
    from application import approve_consent
    from tests.support.oauth_world import OAUTH

    pending = world.pending(world.client_id())

    def approve(_: int) -> str | None:
        try:
            return approve_consent.approve(
                world.services,
                pending,
                world.admin_id,
                scopes=pending.scopes,
                project_access="all",
                project_ids=(),
                keep_alive=True,
                text="p",
                origin=OAUTH,
            )
        except approve_consent.RequestEnded:
            return None

    with ThreadPoolExecutor(6) as pool:
        urls = [url for url in pool.map(approve, range(12)) if url]
    assert len(urls) == 1
