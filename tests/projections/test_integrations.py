from __future__ import annotations

from typing import Any

import pytest

from domain.client import Client
from domain.consent import Consent
from domain.ids import consent_stream
from domain.member import Member
from projections.integrations.queries import (
    approval_requests,
    find_integrations,
    integration,
    list_integrations,
    registrations,
    unused_clients,
    used_last,
    waiting_count,
)
from tests.projections.history import MCP
from tests.projections.scene import Scene


def names(scene: Scene, **options: object) -> list[str]:
    scene.told()
    return [row.name for row in list_integrations(scene.connection, scene.account, **options)]  # type: ignore[arg-type]


def test_identical_registrations_are_one_app_with_a_count(scene: Scene) -> None:
    first = scene.client(port=3118)
    scene.later(minutes=1)
    second, other = scene.client(port=4711), scene.client("Cursor")
    row = scene.app(second)
    assert (row.client_stream, row.client_id) == (str(first.id), first.client_id)
    assert (row.registrations, row.live_registrations, row.status, row.registration) == (2, 2, "active", "dynamic")
    assert row.redirect_uris == ("http://localhost:3118/callback",)
    assert row.created_at < scene.history.now
    assert scene.app(other).registrations == 1
    assert integration(scene.connection, scene.account, str(second.id)) == row
    listed = registrations(scene.connection, scene.account, row.fingerprint)
    assert [r.client_id for r in listed] == [second.client_id, first.client_id]


def test_an_app_counts_the_people_who_consent_to_it_and_knows_when_it_was_last_used(scene: Scene) -> None:
    first, second, member = scene.client(port=3118), scene.client(port=4711), scene.member()
    assert scene.app(first).last_used_at is None
    scene.grant(member, first)
    scene.grant(member, second)
    scene.later(minutes=3)
    grant = scene.grant(scene.member(), second)
    assert (scene.app(first).users, scene.app(first).last_used_at) == (2, scene.history.now)
    consent = next(c for c in scene.history.consents.values() if str(c.id) == grant.consent_id)
    consent.withdraw(scene.admin())
    scene.append(consent)
    assert scene.app(first).users == 1


def test_an_app_waits_for_approval_then_is_active_then_blocked(scene: Scene) -> None:
    client, account = scene.client(needs_approval=True), scene.history.account
    scene.client("Cursor")
    assert scene.app(client).status == "pending"
    assert names(scene) == ["Claude Code", "Cursor"]
    account.approve_app(client.fingerprint, client.name, scene.admin(), "needed")
    scene.append(account)
    row = scene.app(client)
    assert (row.status, row.decided_by, row.decided_by_name, row.decision_reason) == ("active", scene.history.admin, "Person 0", "needed")
    account.block_app(client.fingerprint, client.name, scene.admin())
    scene.append(account)
    assert scene.app(client).status == "blocked"
    account.unblock_app(client.fingerprint, client.name, scene.admin())
    scene.append(account)
    assert (scene.app(client).status, scene.app(client).decision) == ("active", "approved")


def test_a_decision_holds_for_registrations_that_come_later(scene: Scene) -> None:
    client, account = scene.client(), scene.history.account
    account.block_app(client.fingerprint, client.name, scene.admin())
    account.verify_app(client.fingerprint, client.name, scene.admin())
    scene.append(account)
    row = scene.app(scene.client(port=4711))
    assert (row.status, row.verified, row.registrations) == ("blocked", True, 2)


def test_an_app_is_removed_when_no_registration_is_left_and_keeps_its_page(scene: Scene) -> None:
    first, second = scene.client(port=3118), scene.client(port=4711)
    first.remove("unused", scene.history.context(None, str(first.id), "system"), "Never used")
    scene.append(first)
    assert (scene.app(first).status, scene.app(first).live_registrations, scene.app(first).removed_at) == ("active", 1, None)
    second.remove("admin", scene.admin(), "gone")
    scene.append(second)
    row = scene.app(second)
    assert (row.status, row.removed_by, row.removed_actor_id, row.removed_reason) == ("removed", "admin", scene.history.admin, "gone")
    assert names(scene) == []
    assert names(scene, removed=True) == ["Claude Code"]


def test_a_client_with_other_metadata_is_another_app_and_takes_its_use_along(scene: Scene) -> None:
    first, second = scene.client(port=3118), scene.client(port=4711)
    scene.grant(scene.member(), first)
    first.change_metadata({"client_name": "Renamed", "redirect_uris": ["https://a.example/cb"]}, scene.history.context(None, str(first.id)))
    scene.append(first)
    moved, left = scene.app(first), scene.app(second)
    assert (moved.name, moved.registrations, moved.redirect_uris, moved.last_used_at) == ("Renamed", 1, ("https://a.example/cb",), scene.history.now)
    assert (left.name, left.registrations, left.client_stream) == ("Claude Code", 1, str(second.id))
    second.change_metadata(first.metadata, scene.history.context(None, str(second.id)))
    scene.append(second)
    assert (scene.app(second).registrations, scene.app(second).client_stream) == (2, str(first.id))
    assert names(scene) == ["Renamed"]


def test_a_name_left_out_is_shown_as_the_client_id(scene: Scene) -> None:
    client = scene.client("")
    assert scene.app(client).name == client.client_id


def test_apps_are_listed_by_how_they_registered(scene: Scene) -> None:
    scene.client("A")
    scene.client("B", kind="manual")
    assert names(scene, registration="dynamic") == ["A"]
    assert names(scene, registration="manual") == ["B"]
    assert sorted(names(scene)) == ["A", "B"]


def test_only_dynamic_registrations_that_nobody_uses_may_be_reaped(scene: Scene) -> None:
    unused, used, consented = scene.client("A"), scene.client("B"), scene.client("C")
    scene.client("D", kind="manual")
    member = scene.member()
    scene.grant(member, used)
    scene.grant(member, consented, exchange=False)
    scene.later(minutes=1)
    scene.client("E")
    scene.told()
    assert unused_clients(scene.connection, scene.account, scene.history.now, 10) == [str(unused.id)]


def test_what_is_no_client_of_the_account_is_not_found(scene: Scene) -> None:
    client = scene.client()
    scene.told()
    for ref in ("app_x", "", "00000000-0000-4000-8000-000000000000", "\x00", "' OR 1=1"):
        assert integration(scene.connection, scene.account, ref) is None
    assert integration(scene.connection, "00000000-0000-4000-8000-000000000000", client.client_id) is None


def found(scene: Scene, **options: Any) -> list[str]:
    scene.told()
    return [row.name for row in find_integrations(scene.connection, scene.account, **options).rows]


@pytest.mark.parametrize(
    ("search", "names"), [("CURS", ["Cursor"]), ("one.example", ["One"]), ("/callback", []), ("'; --", []), ("%", []), ("\x00", [])]
)
def test_apps_are_found_by_name_and_redirect_host(scene: Scene, search: str, names: list[str]) -> None:
    scene.client("Cursor")
    one = scene.client("One")
    one.change_metadata({"client_name": "One", "redirect_uris": ["https://one.example/cb"]}, scene.history.context(None, str(one.id)))
    scene.append(one)
    assert found(scene, search=search) == names


def test_apps_are_found_by_the_client_id_of_any_registration_and_by_status(scene: Scene) -> None:
    scene.client(port=3118)
    again, blocked, gone = scene.client(port=4711), scene.client("Blocked"), scene.client("Gone")
    scene.client("Waiting", needs_approval=True)
    scene.history.account.block_app(blocked.fingerprint, blocked.name, scene.admin())
    gone.remove("admin", scene.admin())
    scene.append(scene.history.account, gone)
    assert found(scene, search=again.client_id[4:20].upper()) == ["Claude Code"]
    assert [found(scene, status=status) for status in ("active", "pending", "blocked", "removed")] == [
        ["Claude Code"], ["Waiting"], ["Blocked"], ["Gone"],
    ]  # fmt: skip
    assert sorted(found(scene)) == ["Blocked", "Claude Code", "Waiting"]
    assert found(scene)[0] == "Waiting"
    assert waiting_count(scene.connection, scene.account) == 1


def test_apps_are_found_by_what_somebody_lets_them_do_now(scene: Scene) -> None:
    runner, again, reader = scene.client("Runner", port=3118), scene.client("Runner", port=4711), scene.client("Reader")
    once = scene.consent(scene.member(), runner, ("account:read", "jobs:run"))
    scene.consent(scene.member(), again, ("account:read",))
    scene.consent(scene.member(), reader, ("account:read",))
    assert found(scene, scope="jobs:run") == ["Runner"]
    assert sorted(found(scene, scope="account:read")) == ["Reader", "Runner"]
    once.narrow(("account:read",), "*", scene.admin())
    scene.append(once)
    assert found(scene, scope="jobs:run") == []


def test_the_apps_used_last_are_named_without_those_that_are_gone(scene: Scene) -> None:
    never, used, gone = scene.client("Never"), scene.client("Used"), scene.client("Gone")
    scene.grant(scene.member(), used)
    gone.remove("admin", scene.admin())
    scene.append(gone)
    scene.told()
    assert used_last(scene.connection, scene.account, 9) == [(used.client_id, "Used"), (never.client_id, "Never")]
    assert used_last(scene.connection, scene.account, 1) == [(used.client_id, "Used")]


def test_apps_are_sorted_and_paged(scene: Scene) -> None:
    a, b, c = scene.client("a"), scene.client("B"), scene.client("c", kind="manual")
    scene.grant(scene.member(), b)
    scene.grant(scene.member(), b)
    scene.later(minutes=1)
    scene.grant(scene.member(), a)
    assert found(scene, sort="name") == ["a", "B", "c"]
    assert found(scene, sort="users") == ["B", "a", "c"]
    assert found(scene, sort="created") == ["c", "B", "a"]
    assert found(scene, sort="used") == ["a", "B", "c"]
    page = find_integrations(scene.connection, scene.account, sort="name", offset=1, limit=1)
    assert ([row.name for row in page.rows], page.total, page.rows[0].users) == (["B"], 3, 2)
    assert page.rows[0] == scene.app(b)
    assert find_integrations(scene.connection, scene.account, offset=9).total == 0
    assert found(scene, registration="manual") == [c.name]


def asks(scene: Scene, client: Client, who: Member, reason: str | None) -> None:
    consent_id, context = consent_stream(scene.account, str(who.id), str(client.id)), scene.history.context(str(who.id), str(client.id))
    consent = scene.history.consents.setdefault(consent_id, Consent.blank(consent_id, context))
    consent.ask_approval(context, reason=reason, member_id=str(who.id), for_client=str(client.id), requested=("jobs:run",), resource=MCP)
    if consent.pending_events:
        scene.append(consent)


def test_who_asked_for_an_app_is_known_with_the_scopes_and_the_reason_until_they_are_erased(scene: Scene) -> None:
    client, member, other = scene.client(needs_approval=True), scene.member(), scene.member()
    asks(scene, client, member, "I need it")
    asks(scene, client, member, "again within a day")
    asks(scene, client, other, None)
    print_ = scene.app(client).fingerprint
    asked = approval_requests(scene.connection, scene.account, [print_])
    assert [(r.member_name, r.requested, r.reason) for r in asked] == [("Person 2", ("jobs:run",), None), ("Person 1", ("jobs:run",), "I need it")]
    member.record(Member.Erased, scene.admin(), kids=("k1",), request="7")
    scene.append(member)
    scene.told()
    assert [(r.member_name, r.reason) for r in approval_requests(scene.connection, scene.account, [print_])][1] == (None, None)
    assert approval_requests(scene.connection, scene.account, []) == []


def test_asking_again_after_a_day_or_for_more_is_recorded(scene: Scene) -> None:
    client, member = scene.client(needs_approval=True), scene.member()
    asks(scene, client, member, "first")
    scene.later(hours=25)
    asks(scene, client, member, "second")
    asked = approval_requests(scene.connection, scene.account, [scene.app(client).fingerprint])
    assert [(r.reason, r.asked_at) for r in asked] == [("second", scene.history.now)]
