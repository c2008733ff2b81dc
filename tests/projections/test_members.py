from __future__ import annotations

from uuid import uuid4

from domain.member import Member
from domain.roles import permissions_of
from domain.sign_in import SignIn
from projections.members.queries import (
    Held,
    MemberRow,
    Reach,
    apps_in_use,
    find_members,
    list_members,
    member,
    member_by_email,
    member_counts,
    reach,
)  # fmt: skip
from tests.projections.scene import Scene

SALES = "prj_000000000001"


def row_of(scene: Scene, who: Member) -> MemberRow:
    scene.told()
    found = member(scene.connection, scene.account, str(who.id))
    assert found is not None
    return found


def test_a_member_is_shown_with_name_role_and_permissions(scene: Scene) -> None:
    who = scene.member("Account Viewer")
    row = row_of(scene, who)
    assert (row.name, row.email, row.role, row.active, row.added_by) == ("Person 1", "p1@example.com", "Account Viewer", True, scene.history.admin)
    assert set(row.permissions) == set(permissions_of("Account Viewer"))
    assert row.permissions["account.read"] == Held(everywhere=True, projects=(), excluded=())
    assert [m.name for m in list_members(scene.connection, scene.account)] == ["Person 0", "Person 1"]
    assert member_by_email(scene.connection, scene.account, "P1@Example.com") == row
    assert member_by_email(scene.connection, scene.account, "nobody@example.com") is None
    assert member(scene.connection, scene.account, "nobody") is None


def test_permissions_follow_what_is_given_and_taken(scene: Scene) -> None:
    who = scene.member("Account Viewer")
    who.permit("jobs.run", (SALES,), scene.admin())
    who.forbid("metrics.query", (SALES,), scene.admin())
    scene.append(who)
    held = row_of(scene, who).permissions
    assert held["jobs.run"] == Held(everywhere=False, projects=(SALES,), excluded=())
    assert held["metrics.query"].excluded == ((SALES,) if held["metrics.query"].everywhere else ())
    who.change_role("Member", permissions_of("Member"), "*", scene.admin())
    scene.append(who)
    row = row_of(scene, who)
    assert (row.role, set(row.permissions)) == ("Member", {"account.read"})


def test_deactivation_and_its_end_show(scene: Scene) -> None:
    who = scene.member()
    who.deactivate(scene.admin(), "left")
    scene.append(who)
    row = row_of(scene, who)
    assert (row.active, row.deactivated_at, row.deactivated_reason) == (False, scene.history.now, "left")
    who.reactivate(scene.admin())
    scene.append(who)
    row = row_of(scene, who)
    assert (row.active, row.deactivated_at) == (True, None)


def test_the_last_sign_in_is_told(scene: Scene) -> None:
    who = scene.member()
    assert row_of(scene, who).last_sign_in_at is None
    scene.later(minutes=2)
    sign_in = SignIn.blank(uuid4(), scene.history.context())
    sign_in.succeed(scene.history.context(str(who.id), source="ui"), str(who.id), "password")
    scene.append(sign_in)
    assert row_of(scene, who).last_sign_in_at == scene.history.now


def test_the_views_name_an_erased_person_no_more(scene: Scene, owner: object) -> None:
    who, client = scene.member(), scene.client()
    scene.grant(who, client)
    scene.told()
    scene.history.erase(who, owner)  # type: ignore[arg-type]
    row = row_of(scene, who)
    assert (row.name, row.email, row.erased, row.active) == (None, None, True, False)
    assert len(list_members(scene.connection, scene.account)) == 2


def test_people_are_found_by_name_role_and_status_a_page_at_a_time_in_both_directions(scene: Scene) -> None:
    names = ("Zoe", "adam", "Bela", "Ada")
    for name in names:
        scene.person(name)
    left = scene.person("Cleo Left")
    left.deactivate(scene.admin())
    scene.append(left)
    scene.told()
    connection, account = scene.connection, scene.account
    found = [row.name for row in find_members(connection, account)]
    assert [name for name in found if name in names] == ["Ada", "adam", "Bela", "Zoe"]
    first = find_members(connection, account, limit=2)
    second = find_members(connection, account, limit=2, after=first[-1].member_id)
    assert find_members(connection, account, limit=2, before=second[0].member_id) == first
    assert [row.name for row in find_members(connection, account, text="LEFT")] == ["Cleo Left"]
    assert [row.name for row in find_members(connection, account, text="cleo", status="deactivated")] == ["Cleo Left"]
    assert find_members(connection, account, text="Cleo", status="active") == []
    assert find_members(connection, account, text="Zoe", role="Analyst") == []
    assert find_members(connection, account, text="%") == []
    assert find_members(connection, account, after="nobody") == []
    assert member_counts(connection, account).deactivated == 1


def test_what_a_project_is_reached_by(scene: Scene) -> None:
    sales, marketing = tuple(scene.history.account.projects)[:2]
    before = _reach(scene, sales, marketing)
    analyst = scene.person("Only Sales", "Analyst", (sales,))
    scene.consent(analyst, scene.client("Reporter"), ("projects:query",), (sales,))
    scene.consent(analyst, scene.client("Everywhere"), ("projects:query",), "*")
    blocked = scene.client("Blocked")
    scene.consent(analyst, blocked, ("projects:query",), "*")
    scene.history.account.block_app(blocked.fingerprint, "Blocked", scene.admin())
    scene.append(scene.history.account)
    after = _reach(scene, sales, marketing)
    assert (after[sales].members - before[sales].members, after[marketing].members - before[marketing].members) == (1, 0)
    assert (after[sales].apps - before[sales].apps, after[marketing].apps - before[marketing].apps) == (2, 1)
    assert [app.name for app in apps_in_use(scene.connection, scene.account, [str(analyst.id)])[str(analyst.id)]] == ["Everywhere", "Reporter"]


def _reach(scene: Scene, *projects: str) -> dict[str, Reach]:
    scene.told()
    return reach(scene.connection, scene.account, projects)
