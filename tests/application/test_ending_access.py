"""Decisions about apps, consents, grants, resources, policies and plans, felt by the very next request."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from application import decide_app, end_consent, manage_policies, manage_resources, revoke_grant
from application.lookups import stream_of
from domain.consent import Consent
from domain.errors import AlreadyExists, InvalidInput, NotFound, Refused
from domain.grant import Grant
from tests.support.oauth_world import CLI, MCP, World


def session(world: World, client_id: str | None = None, member_id: str | None = None) -> tuple[str, dict[str, Any], Grant]:
    client_id = client_id or world.client_id(client_name=f"Tool {uuid4().hex}")
    tokens = world.tokens(client_id, member_id)
    grant = world.services.store.load(Grant, world.grant_id(tokens))
    assert grant is not None
    return client_id, tokens, grant


def refused(world: World, client_id: str, tokens: dict[str, Any]) -> str:
    answer = world.refresh(client_id, tokens["refresh_token"])
    assert answer.status_code in (400, 401), answer.text
    assert world.introspect(tokens["access_token"]) == {"active": False}
    return str(answer.get_json()["error"])


def test_a_blocked_app_is_refused_in_all_its_registrations_and_stays_ended(shared: World) -> None:
    name = f"Tool {uuid4().hex}"
    first, second = shared.client_id(client_name=name), shared.client_id(client_name=name)
    _, tokens, _ = session(shared, second)
    done: dict[str, Any] = {"actor_id": shared.admin_id, "origin": CLI}
    assert decide_app.block(shared.services, shared.account_id, first, reason="no", **done)
    assert decide_app.block(shared.services, shared.account_id, second, **done) is None
    assert refused(shared, second, tokens) == "invalid_client"
    assert shared.try_register(client_name=name).status_code in (400, 403)
    with pytest.raises(Refused, match="Unblock"):
        decide_app.approve(shared.services, shared.account_id, first, **done)
    assert decide_app.unblock(shared.services, shared.account_id, first, **done)
    assert refused(shared, second, tokens)
    assert session(shared, second)[1]["access_token"]


def test_approving_and_verifying_count_once(shared: World) -> None:
    client_id = shared.client_id(client_name=f"Tool {uuid4().hex}")
    done: dict[str, Any] = {"actor_id": shared.admin_id, "origin": CLI}
    assert decide_app.approve(shared.services, shared.account_id, client_id, **done)
    assert decide_app.approve(shared.services, shared.account_id, client_id, **done) is None
    assert decide_app.verify(shared.services, shared.account_id, client_id, **done)
    assert decide_app.verify(shared.services, shared.account_id, client_id, verified=False, **done)


def test_a_removed_client_must_register_again(shared: World) -> None:
    client_id, tokens, _ = session(shared)
    decide_app.remove(shared.services, shared.account_id, client_id, actor_id=shared.admin_id, origin=CLI, reason="old")
    assert refused(shared, client_id, tokens) == "invalid_client"
    with pytest.raises(Refused):
        decide_app.remove(shared.services, shared.account_id, client_id, actor_id=shared.admin_id, origin=CLI)


@pytest.mark.parametrize("reference", ["app_" + "0" * 32, "nonsense", "00000000-0000-0000-0000-000000000000", "https://x.example/app"])
def test_an_unknown_app_is_not_found(shared: World, reference: str) -> None:
    with pytest.raises(NotFound):
        decide_app.block(shared.services, shared.account_id, reference, actor_id=None, origin=CLI)


def test_a_member_withdraws_only_consents_of_their_own_and_an_admin_any(shared: World) -> None:
    member_id, other = shared.member("Analyst"), shared.member("Analyst")
    client_id, tokens, grant = session(shared, member_id=member_id)
    with pytest.raises(NotFound):
        end_consent.withdraw(shared.services, shared.account_id, grant.consent_id, actor_id=other, origin=CLI)
    assert end_consent.withdraw(shared.services, shared.account_id, grant.consent_id, actor_id=member_id, origin=CLI)
    assert refused(shared, client_id, tokens) == "invalid_grant"
    with pytest.raises(Refused):
        end_consent.withdraw(shared.services, shared.account_id, grant.consent_id, actor_id=member_id, origin=CLI)
    client_id, tokens, grant = session(shared, member_id=member_id)
    assert end_consent.withdraw(shared.services, shared.account_id, grant.consent_id, actor_id=shared.admin_id, origin=CLI)


def test_a_narrowed_consent_shrinks_the_next_token(shared: World) -> None:
    client_id, tokens, grant = session(shared)
    end_consent.narrow(
        shared.services, shared.account_id, grant.consent_id, scopes=["account:read"], projects="*",
        actor_id=grant.member_id, origin=CLI,
    )  # fmt: skip
    assert set(shared.refresh(client_id, tokens["refresh_token"]).get_json()["scope"].split()) <= {"account:read", "offline_access"}
    consent = stream_of(shared.services, Consent, UUID(grant.consent_id), shared.account_id, missing="-")
    assert "projects:query" not in consent.scopes
    with pytest.raises(InvalidInput, match="can't add"):
        end_consent.narrow(
            shared.services, shared.account_id, grant.consent_id, scopes=["jobs:run"], projects="*", actor_id=grant.member_id, origin=CLI
        )


def test_a_revoked_session_is_over_and_revoking_again_changes_nothing(shared: World) -> None:
    client_id, tokens, grant = session(shared)
    revoke: dict[str, Any] = {"actor_id": shared.admin_id, "origin": CLI}
    assert revoke_grant.revoke(shared.services, shared.account_id, str(grant.id), by="admin", **revoke)
    assert refused(shared, client_id, tokens) == "invalid_grant"
    assert revoke_grant.revoke(shared.services, shared.account_id, str(grant.id), by="admin", **revoke) is None


def test_a_member_revokes_only_sessions_of_their_own_and_no_account_those_of_another(shared: World) -> None:
    _, _, grant = session(shared)
    with pytest.raises(NotFound):
        revoke_grant.revoke(shared.services, shared.account_id, str(grant.id), by="member", actor_id=shared.member("Analyst"), origin=CLI)
    with pytest.raises(NotFound):
        revoke_grant.revoke(shared.services, str(uuid4()), str(grant.id), by="admin", actor_id=None, origin=CLI)
    with pytest.raises(NotFound):
        revoke_grant.revoke(shared.services, shared.account_id, "nonsense", by="admin", actor_id=None, origin=CLI)


def test_a_plan_without_apps_refuses_every_client(world: World) -> None:
    client_id, tokens, _ = session(world)
    assert manage_policies.change_plan(world.services, world.account_id, "team", origin=CLI)
    assert manage_policies.change_plan(world.services, world.account_id, "team", origin=CLI) is None
    assert world.refresh(client_id, tokens["refresh_token"]).status_code in (400, 401)
    with pytest.raises(InvalidInput, match="no plan"):
        manage_policies.change_plan(world.services, world.account_id, "golden", origin=CLI)


def test_policies_change_together_or_not_at_all(world: World) -> None:
    before = world.account
    with pytest.raises(InvalidInput, match="registration is one of"):
        manage_policies.change_policy(world.services, world.account_id, {"refresh_grace": "10s", "registration": "maybe"}, origin=CLI)
    with pytest.raises(InvalidInput, match="no policy setting"):
        manage_policies.change_policy(world.services, world.account_id, {"refresh_grace": "10s", "colour": "red"}, origin=CLI)
    with pytest.raises(InvalidInput):
        manage_policies.change_policy(world.services, world.account_id, {}, origin=CLI)
    assert world.account.version == before.version
    done = manage_policies.change_policy(world.services, world.account_id, {"refresh_grace": "0", "registration": "approval"}, origin=CLI)
    assert done.recorded is not None
    assert len(done.warnings) == 1
    assert (world.account.session_policy.refresh_grace, world.account.registration_policy.registration) == (0, "approval")


def test_a_removed_resource_ends_its_sessions_for_good_even_if_it_comes_back(world: World) -> None:
    client_id, tokens, _ = session(world)
    scopes = world.account.resources[MCP].scopes
    manage_resources.remove(world.services, world.account_id, MCP, origin=CLI)
    assert world.refresh(client_id, tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    made = manage_resources.add(world.services, world.account_id, identifier=MCP, scopes=scopes, origin=CLI)
    world.credentials[MCP] = (made.resource_id, made.secret)
    assert refused(world, client_id, tokens) == "invalid_grant"


def test_a_rotated_secret_replaces_the_old_one_at_once(world: World) -> None:
    old = world.credentials[MCP]
    made = manage_resources.rotate(world.services, world.account_id, old[0], origin=CLI)
    assert made.resource_id == old[0]
    assert made.secret not in repr(made)
    answer = world.post("/oauth/introspect", token="x", client_id=old[0], client_secret=old[1])
    assert answer.status_code == 401
    assert world.post("/oauth/introspect", token="x", client_id=old[0], client_secret=made.secret).get_json() == {"active": False}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"identifier": "not a url"}, "identifier"),
        ({"identifier": "ftp://x.example"}, "identifier"),
        ({"identifier": "https://u:p@x.example"}, "identifier"),
        ({"identifier": "https://x.example/a?b=c"}, "identifier"),
        ({"identifier": "https://x.example/a#b"}, "identifier"),
        ({"identifier": "https://x.example:99999"}, "identifier"),
        ({"scopes": []}, "scope"),
        ({"scopes": ["fly"]}, "scope"),
        ({"upstream": "gopher://x"}, "upstream"),
        ({"operations": {"tools": {"t": "jobs:run"}}}, "operations"),
        ({"operations": {"tools": []}}, "operations"),
        ({"operations": {"tools": {"t": {"scope": "account:read", "project_argument": 1}}}}, "operations"),
    ],
)
def test_a_wrong_resource_names_its_field(shared: World, wrong: dict[str, Any], field: str) -> None:
    facts: dict[str, Any] = {"identifier": "https://api.example.com", "scopes": ["account:read"], **wrong}
    with pytest.raises(InvalidInput) as found:
        manage_resources.add(shared.services, shared.account_id, origin=CLI, **facts)
    assert found.value.field == field


def test_a_resource_has_one_spelling(shared: World) -> None:
    made = manage_resources.add(shared.services, shared.account_id, identifier="HTTPS://Data.Example.com/", scopes=["account:read"], origin=CLI)
    assert made.identifier == "https://data.example.com"
    with pytest.raises(AlreadyExists):
        manage_resources.add(shared.services, shared.account_id, identifier="https://data.example.com", scopes=["account:read"], origin=CLI)


def test_a_session_that_is_named_twice_is_ended_once(shared: World) -> None:
    client_id, tokens, grant = session(shared)
    twice = [str(grant.id), str(grant.id).upper(), "nonsense"]
    count, recorded = revoke_grant.revoke_several(shared.services, shared.account_id, twice, actor_id=shared.admin_id, origin=CLI)
    assert count == 1
    assert recorded
    assert refused(shared, client_id, tokens) == "invalid_grant"
