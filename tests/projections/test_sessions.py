from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from domain.grant import Grant
from projections.sessions.queries import expired_grants, list_sessions, session, session_counts
from tests.projections.history import API, MCP
from tests.projections.scene import Scene, moments_ago


def test_a_session_tells_who_may_what_through_which_client_and_until_when(scene: Scene) -> None:
    member, client = scene.member(), scene.client()
    grant = scene.grant(member, client, projects=("prj_000000000001",))
    row = scene.session(grant)
    assert (row.member_id, row.client_id, row.client_name, row.resource) == (str(member.id), client.client_id, "Claude Code", MCP)
    assert row.member_name == "Person 1"
    assert (row.scopes, row.projects) == (("account:read", "projects:query", "offline_access"), ("prj_000000000001",))
    assert (row.status, row.generation, row.keep_alive, row.user_agent) == ("active", 1, True, "probe/1.0\n(test)")
    assert row.idle_expires_at == scene.history.now + timedelta(days=7)
    assert row.absolute_expires_at == scene.history.now + timedelta(days=90)
    assert row.access_expires_at == scene.history.now + timedelta(minutes=10)


def test_a_refresh_moves_the_session_on(scene: Scene) -> None:
    grant = scene.grant(scene.member(), scene.client())
    scene.later(minutes=5)
    scene.history.issue(grant)
    grant.note_replay(scene.history.context(grant.member_id, grant.for_client), "jti")
    scene.append(grant)
    row = scene.session(grant, ticks_since=moments_ago(days=7))
    assert (row.generation, row.refreshes, row.races, row.streak) == (2, 1, 1, 1)
    assert row.last_refreshed_at == row.last_used_at == scene.history.now
    assert [tick.kind for tick in row.ticks] == ["refresh", "refresh", "race"]


def block(scene: Scene, grant: Grant, client: Any) -> None:
    scene.history.account.block_app(client.fingerprint, client.name, scene.admin(), "it misbehaves")
    scene.append(scene.history.account)


def deactivate(scene: Scene, grant: Grant, client: Any) -> None:
    member = next(m for m in scene.history.members if str(m.id) == grant.member_id)
    member.deactivate(scene.admin(), "it misbehaves")
    scene.append(member)


def remove(scene: Scene, grant: Grant, client: Any) -> None:
    client.remove("admin", scene.admin(), "it misbehaves")
    scene.append(client)


def withdraw(scene: Scene, grant: Grant, client: Any) -> None:
    consent = next(c for c in scene.history.consents.values() if str(c.id) == grant.consent_id)
    consent.withdraw(scene.admin(), "it misbehaves")
    scene.append(consent)


def revoke(scene: Scene, grant: Grant, client: Any) -> None:
    grant.revoke("admin", scene.admin(), "it misbehaves")
    scene.append(grant)


ENDINGS = [
    (block, "app_blocked"), (deactivate, "member_deactivated"), (remove, "client_removed"), (withdraw, "consent_withdrawn"), (revoke, "revoked"),
]  # fmt: skip


@pytest.mark.parametrize(("end", "reason"), ENDINGS)
def test_what_ends_a_session_is_told_with_who_and_why(scene: Scene, end: Callable[..., None], reason: str) -> None:
    client = scene.client()
    grant, other = scene.grant(scene.member(), client), scene.grant(scene.member(), scene.client("Cursor"))
    end(scene, grant, client)
    row = scene.session(grant)
    assert (row.status, row.ended_reason, row.ended_by, row.ended_note) == ("ended", reason, "admin", "it misbehaves")
    assert (row.ended_actor_id, row.ended_actor_name) == (scene.history.admin, "Person 0")
    assert row.ended_at == scene.history.now
    assert row.ended_position is not None
    assert scene.session(other).status == "active"
    assert [s.grant_id for s in list_sessions(scene.connection, scene.account)] == [str(other.id)]
    assert [s.grant_id for s in list_sessions(scene.connection, scene.account, live_only=None)] == [str(grant.id)]
    assert len(list_sessions(scene.connection, scene.account, live_only=False)) == 2


def test_a_block_ends_the_sessions_of_every_identical_registration_and_no_unblock_brings_them_back(scene: Scene) -> None:
    first, second, other = scene.client(port=3118), scene.client(port=4711), scene.client("Cursor")
    grants = [scene.grant(scene.member(), c) for c in (first, second, other)]
    block(scene, grants[0], first)
    scene.history.account.unblock_app(first.fingerprint, first.name, scene.admin())
    scene.append(scene.history.account)
    after = scene.grant(scene.member(), second)
    assert [scene.session(g).status for g in (*grants, after)] == ["ended", "ended", "active", "active"]


def test_a_code_issued_before_it_could_see_the_block_is_shown_as_ended(scene: Scene) -> None:
    client, member = scene.client(), scene.member()
    seen = scene.history.account.version
    scene.history.account.block_app(client.fingerprint, client.name, scene.admin())
    scene.append(scene.history.account)
    crossed = scene.grant(member, client, pinned={"account": seen})
    assert scene.session(crossed).ended_reason == "app_blocked"


def test_a_client_that_becomes_a_blocked_app_takes_its_sessions_along(scene: Scene) -> None:
    good, bad = scene.client("Good"), scene.client("Bad")
    grant = scene.grant(scene.member(), good)
    block(scene, grant, bad)
    assert scene.session(grant).status == "active"
    good.change_metadata(bad.metadata, scene.history.context(None, str(good.id)))
    scene.append(good)
    assert scene.session(grant).ended_reason == "app_blocked"


def test_a_removed_resource_ends_its_sessions_and_a_new_one_of_that_name_does_not_revive_them(scene: Scene) -> None:
    client = scene.client()
    grant, other = scene.grant(scene.member(), client, resource=API), scene.grant(scene.member(), client)
    scene.history.account.remove_resource(API, scene.admin())
    scene.history.account.register_resource("res_2", API, ("account:read",), scene.admin())
    scene.append(scene.history.account)
    assert (scene.session(grant).ended_reason, scene.session(other).status) == ("resource_removed", "active")


def test_the_first_ending_is_the_one_told(scene: Scene) -> None:
    client = scene.client()
    grant = scene.grant(scene.member(), client)
    withdraw(scene, grant, client)
    block(scene, grant, client)
    revoke(scene, grant, client)
    assert scene.session(grant).ended_reason == "consent_withdrawn"


def test_reuse_and_code_replay_end_the_session_by_the_system(scene: Scene) -> None:
    client = scene.client()
    reused, replayed = scene.grant(scene.member(), client), scene.grant(scene.member(), client)
    reused.record(Grant.ReuseDetectedEvent, scene.history.context(), generation=1, current=1, rotated_at=scene.history.now)
    replayed.detect_code_replay(scene.history.context())
    scene.append(reused)
    scene.append(replayed)
    assert [(scene.session(g).ended_reason, scene.session(g).ended_by) for g in (reused, replayed)] == [
        ("reuse_detected", "system"), ("code_replayed", "system"),
    ]  # fmt: skip


def test_a_narrowed_consent_narrows_the_sessions_under_it(scene: Scene) -> None:
    grant = scene.grant(scene.member(), scene.client())
    consent = next(iter(scene.history.consents.values()))
    consent.narrow(("account:read",), ("prj_000000000001",), scene.admin())
    scene.append(consent)
    row = scene.session(grant)
    assert (row.scopes, row.projects) == (("account:read", "offline_access"), ("prj_000000000001",))


def test_a_narrower_second_consent_narrows_the_older_session_and_a_wider_one_never_widens_it(scene: Scene) -> None:
    member, client = scene.member(), scene.client()
    first = scene.grant(member, client, ("account:read", "projects:query"), ("prj_000000000001", "prj_000000000002"))
    scene.grant(member, client, ("projects:query",), ("prj_000000000002",))
    scene.grant(member, client, ("account:read", "projects:query", "catalog:read"), "*")
    row = scene.session(first)
    assert (row.scopes, row.projects) == (("projects:query", "offline_access"), ("prj_000000000002",))


def test_a_session_without_use_is_over_when_its_inactivity_window_closes(scene: Scene) -> None:
    grant = scene.grant(scene.member(), scene.client())
    scene.history.account.change_session_policy({"idle_window": "10m"}, scene.admin())
    scene.append(scene.history.account)
    row = scene.session(grant)
    assert (row.status, row.ended_reason, row.ended_by) == ("ended", "idle", "system")
    assert row.ended_at == scene.history.now + timedelta(minutes=10)
    assert expired_grants(scene.connection, scene.account, moments_ago(), 10) == [str(grant.id)]
    assert expired_grants(scene.connection, scene.account, scene.history.now, 10) == []


def test_an_expiry_that_was_noted_is_no_candidate_again_until_the_session_lives_again(scene: Scene) -> None:
    grant = scene.grant(scene.member(), scene.client())
    scene.history.account.change_session_policy({"idle_window": "10m"}, scene.admin())
    grant.record(Grant.Expired, scene.history.context(None, grant.for_client, "system"), which="idle")
    scene.append(scene.history.account)
    scene.append(grant)
    assert scene.session(grant).ended_reason == "idle"
    assert expired_grants(scene.connection, scene.account, moments_ago(), 10) == []
    scene.history.account.change_session_policy({"idle_window": "7d"}, scene.admin())
    scene.append(scene.history.account)
    assert scene.session(grant).status == "ended"
    scene.history.issue(grant)
    assert scene.session(grant).status == "active"


def test_a_code_that_is_never_exchanged_is_first_a_code_and_then_over(scene: Scene) -> None:
    scene.history.now = moments_ago(seconds=5)
    fresh = scene.grant(scene.member(), scene.client(), exchange=False)
    assert scene.session(fresh).status == "code"
    scene.history.now = moments_ago(minutes=5)
    stale = scene.grant(scene.member(), scene.client(), exchange=False)
    assert (scene.session(stale).status, scene.session(stale).ended_reason) == ("ended", "code")


def test_a_session_without_keep_alive_is_over_with_its_access_token(scene: Scene) -> None:
    grant = scene.grant(scene.member(), scene.client(), keep_alive=False)
    row = scene.session(grant)
    assert (row.status, row.ended_reason, row.ended_at) == ("ended", "access_token", row.access_expires_at)


def test_a_plan_without_apps_refuses_every_session_as_long_as_it_lasts(scene: Scene) -> None:
    grant = scene.grant(scene.member(), scene.client())
    scene.history.account.change_plan("team", scene.admin())
    scene.append(scene.history.account)
    assert (scene.session(grant).status, scene.session(grant).ended_reason) == ("ended", "plan")
    scene.history.account.change_plan("enterprise", scene.admin())
    scene.append(scene.history.account)
    assert scene.session(grant).status == "active"


def test_sessions_are_listed_newest_first_page_by_page_and_by_filter(scene: Scene) -> None:
    ada, bob, client, other = scene.member(), scene.member(), scene.client(), scene.client("Cursor")
    grants = [scene.grant(m, c) for m, c in ((ada, client), (bob, client), (ada, other), (bob, other))]
    scene.told()
    ids = [str(g.id) for g in reversed(grants)]
    page = list_sessions(scene.connection, scene.account, limit=3)
    assert [s.grant_id for s in page] == ids[:3]
    assert [s.grant_id for s in list_sessions(scene.connection, scene.account, before=page[-1].created_position)] == ids[3:]
    for filters, expected in (
        ({"member_id": str(ada.id)}, [ids[1], ids[3]]), ({"client_stream": str(client.id)}, ids[2:]), ({"fingerprint": other.fingerprint}, ids[:2]),
        ({"scope": "jobs:run"}, []), ({"scope": "account:read", "project": "prj_x"}, ids),
    ):  # fmt: skip
        assert [s.grant_id for s in list_sessions(scene.connection, scene.account, **filters)] == expected  # type: ignore[arg-type]
    counts = session_counts(scene.connection, scene.account)
    assert (counts.active, counts.people, counts.ending) == (4, 2, 0)


def test_another_accounts_session_is_not_shown(scene: Scene) -> None:
    grant = scene.grant(scene.member(), scene.client())
    scene.told()
    assert session(scene.connection, "00000000-0000-4000-8000-000000000000", str(grant.id)) is None
