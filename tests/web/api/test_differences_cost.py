"""What a comparison of two moments costs: the events that people and apps share are read once, however many of them changed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from application import manage_projects
from infrastructure.store.mapper import EventMapper
from tests.support.oauth_world import CLI
from tests.web.api.conftest import Server, client_of

PAIRS = 5
JUDGED_AND_EXPLAINED = 3
"""Who could do what at either moment, and why it changed."""


def test_events_that_changed_pairs_share_are_read_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    admin, world = server.caller(), server.world
    client_id, members = client_of(server, "Shared"), {world.member("Analyst", ["Sales"]) for _ in range(PAIRS)}
    for member in members:
        world.tokens(client_id, member, scope="projects:query", scopes="projects:query")
    server.settled()
    before = admin.get("/access").get_json()["position"]
    manage_projects.remove(world.services, world.account_id, world.projects["Sales"], origin=CLI)
    server.settled()
    read, decode = Counter[str](), EventMapper.decode

    def counted(self: EventMapper, stream_id: Any, version: int, topic: str, state: bytes) -> Any:
        read[f"{stream_id}:{version}"] += 1
        return decode(self, stream_id, version, topic, state)

    monkeypatch.setattr(EventMapper, "decode", counted)
    found = admin.get(f"/access/difference?client={client_id}&position={before}").get_json()["data"]
    assert {line["member_id"] for line in found} == members
    (removed,) = {tuple(line["changed_by"]) for line in found}
    assert admin.get(f"/audit/entries/{removed[0]}-1").get_json()["event_type"].startswith("project.")
    assert read[f"{world.account_id}:1"] == JUDGED_AND_EXPLAINED
    asked = f"/access/difference?client={client_id}&position={before}"
    for bound, least, words in (
        ("MOST", PAIRS, "The access of 5 people through their apps differs"),
        ("MOST_STEPS", PAIRS, "To explain this takes 5 steps"),
    ):
        monkeypatch.setattr(f"web.differences.{bound}", least - 1)
        refused = admin.get(asked)
        assert (refused.status_code, refused.get_json()["code"]) == (422, "invalid-input")
        assert words in refused.get_json()["detail"]
        assert refused.get_json()["detail"].endswith(
            "narrow it by member_id, client, project_id or scope, or compare moments that are closer together."
        )
        assert len(admin.get(f"{asked}&member_id={min(members)}").get_json()["data"]) == 1
        monkeypatch.undo()
