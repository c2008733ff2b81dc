from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from domain.base import Personal
from domain.client import Client
from domain.consent import Consent
from domain.grant import Grant
from domain.ids import client_id_for
from domain.member import Member
from domain.roles import permissions_of
from infrastructure.store.store import PostgresStore
from projections import view
from projections.events import PersonalReader
from projections.preparing import prepare
from projections.rebuild import AlreadyBuilding, Build, RebuildFailed, rebuild
from projections.registry import BY_NAME, PROJECTIONS
from projections.verify import NotComparable, verify
from tests.projections.history import History
from tests.projections.scene import Scene
from tests.projections.support import contents, differences, run_all

Connection = psycopg.Connection[Any]
Reader = Callable[[], PersonalReader]


@pytest.fixture
def history(store: PostgresStore, connection: Connection, sequence: Callable[[], None], new_reader: Reader) -> History:
    """Some events, all of them in the views."""
    prepare(connection)
    made = History(store, 11)
    made.play(200)
    sequence()
    run_all(connection, new_reader(), 50)
    return made


def tables(connection: Connection) -> set[str]:
    return {t for p in PROJECTIONS for t in view.tables_of(connection, p)}


def test_a_rebuild_equals_the_live_tables_and_replaces_them(history: History, connection: Connection, new_reader: Reader) -> None:
    before, names = contents(connection), tables(connection)
    for projection in PROJECTIONS:
        phases = [progress.phase for progress in rebuild(connection, projection, new_reader(), batch=30)]
        assert phases[-1] == "switched"
    assert contents(connection) == before
    assert len(tables(connection)) == len(names)
    assert not tables(connection) & names
    shown = connection.execute("SELECT count(*) FROM views.audit_log").fetchone()
    assert shown == (len(before["audit_log"]),)


def compared(connection: Connection, other: Connection, projection: Any, reader: PersonalReader) -> dict[str, tuple[int, int, int]]:
    """New, different and gone rows of each table, as told before the switch."""
    steps = list(rebuild(connection, projection, reader, batch=50, snapshot=other))
    assert [step.phase for step in steps][-2:] == ["compared", "switched"]
    (found,) = [step.changed for step in steps if step.phase == "compared"]
    return {each.table: (each.new, each.different, each.gone) for each in found}


def test_what_a_rebuild_is_going_to_change_is_told_before_the_switch(
    history: History, connection: Connection, other_connection: Connection, new_reader: Reader
) -> None:
    members = BY_NAME["members"]
    assert compared(connection, other_connection, members, new_reader()) == {"members": (0, 0, 0)}
    standing = view.standing(connection, "members")
    assert standing is not None
    table = members.names(standing.suffix)["members"]
    connection.execute(f"UPDATE {table} SET role = 'x' WHERE member_id = (SELECT min(member_id::text)::uuid FROM {table})".encode())
    connection.execute(f"DELETE FROM {table} WHERE member_id = (SELECT max(member_id::text)::uuid FROM {table})".encode())
    assert compared(connection, other_connection, members, new_reader()) == {"members": (1, 1, 0)}
    assert compared(connection, other_connection, members, new_reader()) == {"members": (0, 0, 0)}


def test_a_changed_projection_is_compared_by_the_columns_that_both_versions_have(
    history: History, connection: Connection, other_connection: Connection, new_reader: Reader
) -> None:
    standing = view.standing(connection, "members")
    assert standing is not None
    table = BY_NAME["members"].names(standing.suffix)["members"]
    connection.execute(f"ALTER TABLE {table} ADD COLUMN was_there_before text DEFAULT 'x'".encode())
    newer = replace(BY_NAME["members"], version=BY_NAME["members"].version + 1)
    assert compared(connection, other_connection, newer, new_reader()) == {"members": (0, 0, 0)}


def test_a_view_that_stopped_is_replaced_without_being_compared(
    history: History, connection: Connection, other_connection: Connection, new_reader: Reader
) -> None:
    connection.execute("UPDATE projections SET state = 'stopped', position = 3 WHERE name = 'members'")
    phases = [step.phase for step in rebuild(connection, BY_NAME["members"], new_reader(), snapshot=other_connection)]
    assert phases[-1] == "switched"
    assert "compared" not in phases


def test_a_rebuilt_table_has_the_same_indexes(history: History, connection: Connection, new_reader: Reader) -> None:
    query = """SELECT replace(replace(indexdef, indexname, ''), %s, '') FROM pg_indexes WHERE schemaname = 'views' AND tablename LIKE %s"""

    def indexes(projection: Any) -> list[str]:
        suffix = view.standings(connection)[projection.name].suffix
        return sorted(row[0] for row in connection.execute(query, (suffix, f"%{suffix}%")).fetchall())

    before = {p.name: indexes(p) for p in PROJECTIONS}
    for projection in PROJECTIONS:
        list(rebuild(connection, projection, new_reader()))
        assert before[projection.name]
        assert indexes(projection) == before[projection.name]
    invalid = connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone()
    assert invalid == (0,)


def test_a_rebuild_follows_events_that_come_meanwhile(
    history: History, connection: Connection, other_connection: Connection, sequence: Callable[[], None], new_reader: Reader
) -> None:
    sessions = BY_NAME["sessions"]
    for progress in rebuild(connection, sessions, new_reader(), batch=40):
        if progress.phase != "switched":
            history.play(5)
            sequence()
            run_all(other_connection, new_reader())
    run_all(connection, new_reader())
    assert differences(connection, other_connection, new_reader) == []


def test_a_build_asks_for_the_next_batch_before_it_writes_the_last_and_gives_the_connection_back(
    history: History, connection: Connection, other_connection: Connection, sequence: Callable[[], None], new_reader: Reader
) -> None:
    whole = view.head(connection)
    with Build(connection, BY_NAME["audit_log"], new_reader(), whole // 3 + 1, ahead=other_connection) as build:
        steps = build.catch_up(0)
        next(steps)
        assert other_connection.info.transaction_status == TransactionStatus.ACTIVE
        steps.close()
        assert other_connection.execute("SELECT 1").fetchone() == (1,)
        steps = build.catch_up(0)
        next(steps)  # asks for what is left, and that is less than a batch
        for _ in range(2):
            history.now += timedelta(days=70)  # months later, with one between that has no event
            history.play(10)
        sequence()
        list(steps)
        assert build.position == view.head(connection)
        assert build.try_switch()
    run_all(connection, new_reader())
    assert differences(connection, other_connection, new_reader) == []


def test_a_build_whose_second_connection_is_lost_changes_nothing(
    history: History, connection: Connection, other_connection: Connection, new_reader: Reader
) -> None:
    members, before = BY_NAME["members"], contents(connection)["members"]
    steps = rebuild(connection, members, new_reader(), batch=20, snapshot=other_connection)
    next(steps)
    connection.execute("SELECT pg_terminate_backend(%s, 60000)", (other_connection.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        list(steps)
    assert contents(connection)["members"] == before
    list(rebuild(connection, members, new_reader()))
    assert contents(connection)["members"] == before
    assert len(view.tables_of(connection, members)) == 1


def test_a_projection_of_a_new_version_is_built_beside_and_the_old_one_serves_until_then(
    history: History, connection: Connection, new_reader: Reader
) -> None:
    old = view.standings(connection)["members"]
    newer = replace(BY_NAME["members"], version=BY_NAME["members"].version + 1)
    for progress in rebuild(connection, newer, new_reader(), batch=50):
        if progress.phase == "building":
            assert connection.execute("SELECT count(*) > 0 FROM views.members").fetchone() == (True,)
            assert view.standings(connection)["members"] == old
            assert view.standings(connection)["members/building"].version == newer.version
    standing = view.standings(connection)["members"]
    assert (standing.version, standing.state) == (newer.version, "live")
    assert view.tables_of(connection, newer) == [f"views.members_v{newer.version}{standing.suffix}"]
    with pytest.raises(RebuildFailed, match="newer release"):
        list(rebuild(connection, BY_NAME["members"], new_reader()))
    assert view.standings(connection)["members"] == standing


def test_only_one_process_builds_a_projection(history: History, connection: Connection, other_connection: Connection, new_reader: Reader) -> None:
    with Build(connection, BY_NAME["members"], new_reader(), 10):
        with pytest.raises(AlreadyBuilding):
            list(rebuild(other_connection, BY_NAME["members"], new_reader()))
        list(rebuild(other_connection, BY_NAME["consents"], new_reader()))


def test_a_build_waits_for_a_killed_one_whose_session_is_still_ending(
    history: History, connection: Connection, other_connection: Connection, new_reader: Reader
) -> None:
    members = BY_NAME["members"]
    doomed = Build(other_connection, members, new_reader(), 10)
    doomed.__enter__()
    ending = threading.Timer(0.3, other_connection.close)
    ending.start()
    list(rebuild(connection, members, new_reader()))
    ending.join()
    assert len(view.tables_of(connection, members)) == 1


def test_the_next_build_clears_what_a_killed_one_left(history: History, database: Any, connection: Connection, new_reader: Reader) -> None:
    members = BY_NAME["members"]
    with psycopg.connect(database.web_dsn, autocommit=True) as doomed:
        build = Build(doomed, members, new_reader(), 10)
        build.__enter__()
        next(build.catch_up(0))
    assert len(view.tables_of(connection, members)) == 2
    list(rebuild(connection, members, new_reader()))
    assert len(view.tables_of(connection, members)) == 1
    assert "members/building" not in view.standings(connection)


def test_a_rebuild_that_meets_a_poison_event_changes_nothing(
    history: History, connection: Connection, owner: Connection, sequence: Callable[[], None], new_reader: Reader
) -> None:
    account = history.account_id
    query = "INSERT INTO events (originator_id, originator_version, topic, state, account_id) VALUES (gen_random_uuid(), 1, 'member.added', %s, %s)"
    owner.execute(query, (b'{"timestamp":1}', account))
    sequence()
    before = contents(connection)["members"]
    with pytest.raises(RebuildFailed, match=r"member\.added"):
        list(rebuild(connection, BY_NAME["members"], new_reader()))
    assert contents(connection)["members"] == before
    assert len(view.tables_of(connection, BY_NAME["members"])) == 1


def test_a_stopped_projection_lives_again_after_a_rebuild(history: History, connection: Connection, new_reader: Reader) -> None:
    standing = view.standings(connection)["members"]
    view.stop(connection, "members", standing.position, "event 7: KeyError")
    list(rebuild(connection, BY_NAME["members"], new_reader()))
    assert view.standings(connection)["members"].state == "live"


def test_a_reader_that_holds_the_old_view_only_delays_the_switch(
    history: History, connection: Connection, other_connection: Connection, new_reader: Reader
) -> None:
    with Build(connection, BY_NAME["members"], new_reader(), 1000) as build:
        list(build.catch_up(0))
        with other_connection.transaction():
            other_connection.execute("SELECT count(*) FROM views.members")
            assert not build.try_switch()
        assert build.try_switch()
    assert differences(connection, other_connection, new_reader) == []


def test_verify_finds_no_difference_where_there_is_none(
    history: History, connection: Connection, other_connection: Connection, new_reader: Reader
) -> None:
    names = tables(connection)
    assert differences(connection, other_connection, new_reader) == []
    assert tables(connection) == names


def test_verify_names_every_row_that_differs(history: History, connection: Connection, other_connection: Connection, new_reader: Reader) -> None:
    suffix = view.standings(connection)["sessions"].suffix
    table = f"views.sessions_v{BY_NAME['sessions'].version}{suffix}"
    grants = [r[0] for r in connection.execute(f"SELECT grant_id::text FROM {table} ORDER BY 1 LIMIT 3".encode()).fetchall()]
    connection.execute(f"UPDATE {table} SET refreshes = refreshes + 1 WHERE grant_id = %s".encode(), (grants[0],))
    connection.execute(f"DELETE FROM {table} WHERE grant_id = %s".encode(), (grants[1],))
    connection.execute(f"UPDATE {table} SET grant_id = gen_random_uuid() WHERE grant_id = %s".encode(), (grants[2],))
    log = f"views.audit_log_v{BY_NAME['audit_log'].version}{view.standings(connection)['audit_log'].suffix}"
    connection.execute(f"DELETE FROM {log} WHERE position = 3".encode())
    found = differences(connection, other_connection, new_reader)
    assert sorted((d.table, d.live is None, d.rebuilt is None) for d in found) == [
        ("audit_log", True, False), ("sessions", False, False), ("sessions", False, True), ("sessions", True, False), ("sessions", True, False),
    ]  # fmt: skip
    changed = next(d for d in found if d.live and d.rebuilt)
    assert changed.key == (grants[0],)
    assert changed.live is not None
    assert changed.rebuilt is not None
    assert changed.live["refreshes"] == changed.rebuilt["refreshes"] + 1


def test_verify_compares_with_where_the_live_one_stands_while_it_goes_on(
    history: History, connection: Connection, other_connection: Connection, sequence: Callable[[], None], new_reader: Reader, database: Any
) -> None:
    with psycopg.connect(database.web_dsn, autocommit=True, options="-c timezone=UTC") as writer:
        found = []
        for item in verify(connection, other_connection, BY_NAME["audit_log"], new_reader(), batch=60):
            history.play(3)
            sequence()
            run_all(writer, new_reader())
            found.append(item)
    assert found
    assert all(hasattr(item, "phase") for item in found)


def test_verify_says_when_the_live_tables_are_of_another_version(
    history: History, connection: Connection, other_connection: Connection, new_reader: Reader
) -> None:
    with pytest.raises(NotComparable, match="rebuild members"):
        list(verify(connection, other_connection, replace(BY_NAME["members"], version=BY_NAME["members"].version + 1), new_reader()))


def test_a_member_erased_since_is_scrubbed_alike_live_and_in_a_rebuild(
    history: History, connection: Connection, other_connection: Connection, owner: Connection, sequence: Callable[[], None], new_reader: Reader
) -> None:
    member = max(history.members[1:], key=lambda m: sum(g.member_id == str(m.id) for g in history.grants))
    member_id = str(member.id)
    reader = new_reader()
    run_all(connection, reader)
    addressed = "SELECT count(*) FROM views.audit_log WHERE actor_id = %s AND actor_ip IS NOT NULL"
    assert connection.execute(addressed, (member_id,)).fetchone() != (0,)
    history.erase(member, owner)
    history.play(20)
    sequence()
    run_all(connection, reader)
    assert connection.execute(addressed, (member_id,)).fetchone() == (0,)
    agents = "SELECT count(*) FROM views.sessions WHERE member_id = %s AND user_agent IS NOT NULL"
    assert connection.execute(agents, (member_id,)).fetchone() == (0,)
    assert connection.execute("SELECT name, email, erased FROM views.members WHERE member_id = %s", (member_id,)).fetchone() == (None, None, True)
    assert differences(connection, other_connection, new_reader) == []


WHY = "Zanzibar"
_PLACES = """
SELECT 'app decided' WHERE EXISTS (SELECT FROM views.integrations WHERE decision_reason = %(why)s)
UNION ALL SELECT 'app removed' WHERE EXISTS (SELECT FROM views.integrations WHERE removed_reason = %(why)s)
UNION ALL SELECT 'client removed' WHERE EXISTS (SELECT FROM views.clients WHERE removed_reason = %(why)s)
UNION ALL SELECT 'client added' WHERE EXISTS (SELECT FROM views.clients WHERE reason = %(why)s)
UNION ALL SELECT 'session' WHERE EXISTS (SELECT FROM views.sessions WHERE ended_note = %(why)s)
UNION ALL SELECT 'ending' WHERE EXISTS (SELECT FROM views.session_endings WHERE note = %(why)s)
UNION ALL SELECT 'consent' WHERE EXISTS (SELECT FROM views.consents WHERE ended_reason = %(why)s)
UNION ALL SELECT 'member' WHERE EXISTS (SELECT FROM views.members WHERE deactivated_reason = %(why)s)
UNION ALL SELECT 'log of ' || kind FROM views.audit_log WHERE reason = %(why)s GROUP BY kind
"""


_ABOUT_APPS = {"app decided", "app removed", "client removed", "client added"} | {
    f"log of oauth_client.{kind}" for kind in ["registered", "removed", "approved", "blocked", "unblocked", "verified"]
}
_ABOUT_PEOPLE = {"session", "ending", "consent", "member"} | {
    f"log of {kind}" for kind in ["user.removed", "user.reactivated", "oauth_consent.withdrawn", "oauth_grant.revoked"]
}


def _told_everywhere(scene: Scene, admin: Member, *, as_before: bool) -> list[Member]:
    """An admin gives a reason wherever one can be given; who the reasons are about. `as_before`: sealed under the admin, as they once were."""
    history = scene.history

    def by(client: Client | None = None) -> Any:
        return history.context(str(admin.id), str(client.id) if client else None, "ui")

    manual = Client.blank(uuid4(), by())
    metadata = {"client_name": "Script", "redirect_uris": ["https://a.example/cb"]}
    manual.register(
        by(manual), client_id=client_id_for(manual.id), registration="manual", metadata=metadata, needs_approval=False, reason=WHY
    )  # fmt: skip
    history.append(manual)
    person, removed, blocked = scene.member(), scene.client("Removed"), scene.client("Blocked")
    leaving, back = scene.member(), scene.member()
    revoked, _, withdrawn = scene.grant(person, manual), scene.grant(person, blocked), scene.grant(leaving, manual)
    removed.remove("admin", by(removed), WHY)
    for deed in (history.account.approve_app, history.account.block_app, history.account.unblock_app, history.account.verify_app):
        deed(blocked.fingerprint, blocked.name, by(blocked), reason=WHY)
    consent = next(c for c in history.consents.values() if str(c.id) == withdrawn.consent_id)
    back.deactivate(by())
    if as_before:
        why = Personal(str(admin.id), WHY)
        revoked.record(Grant.Revoked, by(manual), by="admin", reason=why)
        consent.record(Consent.Withdrawn, by(manual), reason=why)
        person.record(Member.Deactivated, by(), reason=why)
        back.record(Member.Reactivated, by(), reason=why)
    else:
        revoked.revoke("admin", by(manual), WHY)
        consent.withdraw(by(manual), WHY)
        person.deactivate(by(), WHY)
        back.reactivate(by(), WHY)
    scene.append(revoked, removed, consent, person, back)
    history.append(history.account)
    return [person, leaving, back]


def _an_admin(scene: Scene) -> Member:
    member_id = uuid4()
    admin = Member.add(
        member_id, scene.admin(), role="Account Admin", permissions=permissions_of("Account Admin"), projects="*",
        name=Personal(str(member_id), "A"), email=Personal(str(member_id), "a@example.com"),
    )  # fmt: skip
    scene.append(admin)
    return admin


def _places(scene: Scene) -> set[str]:
    scene.told()
    return {place for (place,) in scene.connection.execute(_PLACES, {"why": WHY}).fetchall()}


@pytest.mark.parametrize("in_one_batch", [False, True])
def test_reasons_about_an_app_go_with_who_gave_them_and_reasons_about_a_person_with_that_person(
    scene: Scene, owner: Connection, other_connection: Connection, new_reader: Reader, *, in_one_batch: bool
) -> None:
    admin = _an_admin(scene)
    people = _told_everywhere(scene, admin, as_before=False)
    stored = owner.execute("SELECT count(*) FROM events WHERE position(%s::bytea IN state) > 0", (WHY.encode(),)).fetchone()
    assert stored == (0,)
    if not in_one_batch:
        assert _places(scene) == _ABOUT_APPS | _ABOUT_PEOPLE
        assert differences(scene.connection, other_connection, new_reader) == []
    scene.history.erase(admin, owner)
    assert _places(scene) == _ABOUT_PEOPLE
    assert differences(scene.connection, other_connection, new_reader) == []
    for person in people:
        scene.history.erase(person, owner)
    assert _places(scene) == set()
    assert differences(scene.connection, other_connection, new_reader) == []


@pytest.mark.parametrize("in_one_batch", [False, True])
def test_reasons_that_were_once_sealed_under_who_gave_them_go_with_that_person(
    scene: Scene, owner: Connection, other_connection: Connection, new_reader: Reader, *, in_one_batch: bool
) -> None:
    admin = _an_admin(scene)
    _told_everywhere(scene, admin, as_before=True)
    if not in_one_batch:
        assert _places(scene) == _ABOUT_APPS | _ABOUT_PEOPLE
        assert differences(scene.connection, other_connection, new_reader) == []
    scene.history.erase(admin, owner)
    assert _places(scene) == set()
    assert differences(scene.connection, other_connection, new_reader) == []
