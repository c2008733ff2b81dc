from __future__ import annotations

from projections.consents.queries import ConsentRow, consent, list_consents
from tests.projections.scene import Scene


def only(scene: Scene) -> ConsentRow:
    scene.told()
    (row,) = list_consents(scene.connection, scene.account)
    return row


def test_a_consent_tells_what_was_allowed_to_whom_and_which_event_is_its_receipt(scene: Scene) -> None:
    member, client = scene.member(), scene.client()
    grant = scene.grant(member, client, projects=("prj_000000000001",))
    row = only(scene)
    assert (row.member_name, row.client_name, row.client_id) == ("Person 1", "Claude Code", client.client_id)
    assert (row.in_force, row.approved, row.projects, row.grant_id) == (
        True,
        ("account:read", "projects:query"),
        ("prj_000000000001",),
        str(grant.id),
    )
    query = "SELECT e.topic FROM positions p JOIN events e USING (originator_id, originator_version) WHERE position = %s"
    assert scene.connection.execute(query, (row.given_position,)).fetchone() == ("consent.given",)
    assert row.given_at == row.changed_at == scene.history.now
    assert consent(scene.connection, scene.account, row.consent_id) == row


def test_narrowing_and_withdrawing_change_what_is_left(scene: Scene) -> None:
    grant = scene.grant(scene.member(), scene.client())
    held = next(iter(scene.history.consents.values()))
    given = only(scene)
    scene.later(minutes=1)
    held.narrow(("account:read",), ("prj_000000000001",), scene.history.context(grant.member_id, grant.for_client))
    scene.append(held)
    row = only(scene)
    assert (row.approved, row.projects, row.given_position) == (("account:read",), ("prj_000000000001",), given.given_position)
    assert row.changed_at == scene.history.now
    held.withdraw(scene.history.context(grant.member_id, grant.for_client), "done")
    scene.append(held)
    row = only(scene)
    assert (row.in_force, row.ended_by, row.ended_by_name, row.ended_reason) == (False, grant.member_id, "Person 1", "done")
    assert list_consents(scene.connection, scene.account, in_force=True) == []


def test_a_refusal_after_a_consent_leaves_it_in_force(scene: Scene) -> None:
    grant = scene.grant(scene.member(), scene.client())
    held = next(iter(scene.history.consents.values()))
    context = scene.history.context(grant.member_id, grant.for_client)
    held.refuse(context, member_id=grant.member_id, for_client=grant.for_client, requested=("x",), resource="", text="")
    scene.append(held)
    row = only(scene)
    assert row.in_force
    assert row.requested != ("x",)
    assert row.refused_position is not None


def test_consents_are_listed_by_member_client_and_app(scene: Scene) -> None:
    ada, bob, first, second = scene.member(), scene.member(), scene.client(port=3118), scene.client(port=4711)
    for member, client in ((ada, first), (bob, second)):
        scene.grant(member, client)
        scene.later(seconds=1)
    scene.told()

    def members(**filters: str) -> list[str]:
        return [row.member_id for row in list_consents(scene.connection, scene.account, **filters)]  # type: ignore[arg-type]

    assert members() == [str(bob.id), str(ada.id)]
    assert members(member_id=str(ada.id)) == [str(ada.id)]
    assert members(client_stream=str(second.id)) == [str(bob.id)]
    assert members(fingerprint=first.fingerprint) == [str(bob.id), str(ada.id)]
