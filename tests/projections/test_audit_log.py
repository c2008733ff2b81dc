from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from domain.grant import Grant
from projections.audit_log.event_types import EVENT_TYPES, kinds_with
from projections.audit_log.queries import AuditEntry, entries, entry, export
from projections.audit_log.view import following
from projections.registry import BY_NAME
from tests.projections.history import MCP, History
from tests.projections.scene import Scene


def log(scene: Scene, **filters: Any) -> list[AuditEntry]:
    scene.told()
    return entries(scene.connection, scene.account, **{"limit": 1000, **filters})


def types(found: list[AuditEntry]) -> list[str]:
    return [e.event_type for e in found]


def test_a_session_from_registration_to_revocation_is_told_newest_first(scene: Scene) -> None:
    member, client = scene.member(), scene.client()
    grant = scene.grant(member, client)
    scene.history.issue(grant)
    grant.note_replay(scene.history.context(grant.member_id, grant.for_client), "jti")
    grant.revoke("admin", scene.history.context(scene.history.admin, grant.for_client, "ui"), "over")
    scene.append(grant)
    assert types(log(scene))[:14] == [
        "oauth_grant.revoked", "refresh_token.replayed", "access_token.issued", "refresh_token.issued", "access_token.issued",
        "refresh_token.issued", "access_token.issued", "authorization_code.issued", "oauth_client.authorization_approved", "oauth_client.authorized",
        "oauth_client.registered", "user.added", "user.added", "resource.registered",
    ]  # fmt: skip


def test_the_actor_of_what_is_done_through_a_client_is_the_user_and_the_client_stands_beside(scene: Scene) -> None:
    member, client = scene.member(), scene.client()
    grant = scene.grant(member, client)
    scene.history.grants.append(grant)
    scene.history.act()
    found = log(scene)[0]
    assert (found.event_type, found.actor_type, found.actor_id, found.actor_name) == ("action.performed", "user", str(member.id), "Person 1")
    assert (found.client_id, found.client_name, found.grant_id) == (client.client_id, "Claude Code", str(grant.id))
    assert (found.service, found.source, found.event_context["operation"]) == (MCP, "mcp", "query_metrics")
    assert found.actor_ip is not None
    assert found.actor_ip.startswith("192.0.2.")


def test_a_client_that_registers_by_itself_is_the_actor(scene: Scene) -> None:
    client = scene.client()
    found = log(scene, event_type="oauth_client.registered")[0]
    assert (found.actor_type, found.actor_id, found.actor_name) == ("client", client.client_id, "Claude Code")
    assert "contacts" not in found.event_context


def test_a_code_exchanged_without_keep_alive_gives_an_access_token_alone(scene: Scene) -> None:
    scene.grant(scene.member(), scene.client(), keep_alive=False)
    assert types(log(scene))[0] == "access_token.issued"
    assert "refresh_token.issued" not in types(log(scene))


def test_an_entry_has_the_fields_of_the_contract(scene: Scene) -> None:
    scene.grant(scene.member(), scene.client())
    record = log(scene)[0].as_record()
    who = "actor_type actor_id actor_name actor_ip client_id client_name grant_id"
    assert " ".join(record) == f"id account_id created_at event_type {who} source service event_context position"
    assert record["id"] == f"{record['position']}-2"


def test_the_log_holds_nothing_sealed_and_no_key_id(scene: Scene) -> None:
    scene.history.play(150)
    said = str([e.event_context for e in log(scene)])
    for word in ("'ct'", "'kc'", "salt", "code_challenge", "login_key", "user_agent", "'key_id'"):
        assert word not in said


def test_reuse_is_told_with_the_time_of_the_rotation(scene: Scene) -> None:
    grant = scene.grant(scene.member(), scene.client())
    grant.record(Grant.ReuseDetectedEvent, scene.history.context(), generation=1, current=2, rotated_at=datetime(2026, 11, 24, 12, 10, 2, tzinfo=UTC))
    scene.append(grant)
    assert log(scene)[0].event_context == {"generation": 1, "current": 2, "rotated_at": "2026-11-24T12:10:02Z"}


def test_filters_by_type_member_client_session_and_time_agree_with_the_whole_log(scene: Scene) -> None:
    scene.history.play(200)
    everything = log(scene)
    member, app = str(scene.history.members[1].id), scene.history.clients[0]
    fingerprints = {str(c.id): c.fingerprint for c in scene.history.clients}
    grant = str(scene.history.grants[0].id)
    middle = everything[len(everything) // 2].created_at

    def same(chosen: Callable[[AuditEntry], bool], **filters: Any) -> None:
        expected = [e for e in everything if chosen(e)]
        assert expected
        assert log(scene, **filters) == expected

    same(lambda e: e.event_type == "access_token.issued", event_type="access_token.issued")
    same(lambda e: e.event_type.startswith("login."), event_type=[t for t in set(types(everything)) if t.startswith("login.")])
    same(lambda e: member in (e.actor_id, e.subject_id), member=member)
    same(lambda e: fingerprints.get(e.client_stream or "") == app.fingerprint, client=app.client_id)
    same(lambda e: fingerprints.get(e.client_stream or "") == app.fingerprint, client=str(app.id))
    same(lambda e: e.grant_id == grant, grant_id=grant)
    same(lambda e: e.created_at >= middle, since=middle)
    same(lambda e: e.created_at < middle, until=middle)
    both = next(e for e in everything if e.actor_type == "user" and e.client_stream)
    same(
        lambda e: both.actor_id in (e.actor_id, e.subject_id) and fingerprints.get(e.client_stream or "") == fingerprints[both.client_stream or ""],
        member=both.actor_id,
        client=both.client_id,
    )
    kind, stream = both.event_type, both.client_stream or ""
    same(lambda e: both.actor_id in (e.actor_id, e.subject_id) and e.event_type == kind, member=both.actor_id, event_type=kind)
    same(lambda e: fingerprints.get(e.client_stream or "") == fingerprints[stream] and e.event_type == kind, client=stream, event_type=kind)
    same(
        lambda e: both.actor_id in (e.actor_id, e.subject_id)
        and fingerprints.get(e.client_stream or "") == fingerprints[stream]
        and e.event_type == kind,
        member=both.actor_id, client=stream, event_type=kind,
    )  # fmt: skip


def test_pages_join_without_a_gap_and_never_split_an_event(scene: Scene) -> None:
    scene.history.play(120)
    everything, pages, before = log(scene), [], None
    while page := entries(scene.connection, scene.account, before_position=before, limit=7):
        assert len(page) in (7, 8) or page[-1] == everything[-1]
        pages += page
        before = page[-1].position
    assert pages == everything
    assert list(export(scene.connection, scene.account, page=13)) == everything
    tokens = list(export(scene.connection, scene.account, page=5, event_type="access_token.issued"))
    assert tokens == [e for e in everything if e.event_type == "access_token.issued"]


def test_the_entries_of_one_event_are_found_by_its_position_and_only_in_its_account(scene: Scene) -> None:
    scene.grant(scene.member(), scene.client())
    newest = log(scene)[0]
    assert types(entry(scene.connection, scene.account, newest.position)) == ["access_token.issued", "refresh_token.issued"]
    assert entry(scene.connection, "00000000-0000-4000-8000-000000000000", newest.position) == []
    assert entry(scene.connection, scene.account, newest.position + 1) == []


def test_an_app_with_more_registrations_than_rows_asked_for_shows_its_newest(scene: Scene) -> None:
    member = scene.member()
    apps = [scene.client(port=3000 + number) for number in range(4)]
    grants = [scene.grant(member, client) for client in apps]
    for grant in (grants[0], grants[2], grants[0]):
        scene.history.issue(grant)
    whole = [e.id for e in log(scene, client=apps[1].client_id)]
    assert [e.id for e in log(scene, client=apps[1].client_id, limit=3)][:3] == whole[:3]
    assert [e.id for e in log(scene, client=apps[1].client_id, after_position=0, limit=3)][-3:] == whole[-3:]
    of_type = [e.id for e in log(scene, client=apps[1].client_id, event_type="refresh_token.issued")]
    assert [e.id for e in log(scene, client=apps[1].client_id, event_type="refresh_token.issued", limit=2)] == of_type[:2]
    assert len(of_type) == 7


def test_no_two_kinds_of_row_share_the_number_that_the_indexes_know_them_by(connection: psycopg.Connection[Any]) -> None:
    every = kinds_with(EVENT_TYPES)
    row = connection.execute("SELECT count(DISTINCT hashtext(kind)) FROM unnest(%s::text[]) k (kind)", (every,)).fetchone()
    assert row == (len(every),)


def test_ids_that_are_none_find_nothing(scene: Scene) -> None:
    assert (
        log(scene, client="\x00", event_type="\x00") == log(scene, member="nobody") == log(scene, grant_id="x") == log(scene, client="nobody") == []
    )


def test_each_month_has_a_partition_and_the_next_one_is_there_beforehand(store: Any, connection: psycopg.Connection[Any], scene: Scene) -> None:
    scene.history.now = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
    scene.client()
    scene.history.now += timedelta(seconds=2)
    scene.client("Cursor")
    scene.told()
    suffix = connection.execute("SELECT table_suffix FROM projections WHERE name = 'audit_log'").fetchone()
    assert suffix is not None
    query = "SELECT right(c.relname, 7) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass ORDER BY 1"
    found = connection.execute(query, (f"views.audit_log_v{BY_NAME['audit_log'].version}{suffix[0]}",)).fetchall()
    assert [month for (month,) in found][-3:] == ["2026_12", "2027_01", "2027_02"]


def test_the_log_of_another_account_is_apart(scene: Scene) -> None:
    other = History(scene.history.store, 2, begun=scene.history.now)
    other.play(20)
    scene.client()
    assert {e.account_id for e in log(scene)} == {scene.account}


@pytest.mark.parametrize(("month", "next_one"), [("2026-11", "2026-12"), ("2026-12", "2027-01"), ("9999-11", "9999-12")])
def test_the_month_after(month: str, next_one: str) -> None:
    assert following(month) == next_one
