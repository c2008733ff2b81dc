"""Whatever takes access away is felt by the very next call: the gateway asks the write side, never a view or the token alone."""

from __future__ import annotations

from uuid import UUID

from application import decide_app, end_consent, manage_members, manage_projects, manage_resources, revoke_grant
from application.services import Origin
from tests.support.oauth_world import CLI, MCP
from tests.web.mcp.gateway_world import GatewayWorld, consent_of
from web.pages.formatting import long_date

UI = Origin("ui")


def test_a_revoked_grant_is_dead_at_once(gateway: GatewayWorld) -> None:
    token = gateway.token()
    assert gateway.call("query", token=token).status_code == 200
    world = gateway.world
    revoke_grant.revoke(world.services, world.account_id, gateway.claims(token)["grant_id"], by="admin", actor_id=world.admin_id, origin=UI)
    response = gateway.call("query", token=token)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_a_blocked_app_is_refused_at_once(gateway: GatewayWorld) -> None:
    token = gateway.token()
    world = gateway.world
    decide_app.block(world.services, world.account_id, gateway.claims(token)["client_id"], actor_id=world.admin_id, origin=UI)
    assert gateway.call("query", token=token).status_code == 401
    decide_app.unblock(world.services, world.account_id, gateway.claims(token)["client_id"], actor_id=world.admin_id, origin=UI)
    assert gateway.call("query", token=token).status_code == 401, "what ended stays ended"


def test_a_deactivated_member_is_refused_at_once(gateway: GatewayWorld) -> None:
    member = gateway.world.member("Job Operator")
    token = gateway.token(member_id=member)
    assert gateway.call("query", token=token).status_code == 200
    manage_members.deactivate(gateway.world.services, gateway.world.account_id, UUID(member), actor_id=gateway.world.admin_id, origin=UI)
    assert gateway.call("query", token=token).status_code == 401


def test_a_lost_permission_is_a_403_at_once_and_its_tools_are_hidden(gateway: GatewayWorld) -> None:
    world, member = gateway.world, gateway.world.member("Job Operator")
    token = gateway.token(member_id=member)
    assert gateway.call("run", token=token).status_code == 200
    manage_members.forbid(world.services, world.account_id, UUID(member), "jobs.run", actor_id=world.admin_id, origin=UI)
    response = gateway.call("run", token=token)
    assert response.status_code == 403
    today = long_date(world.services.clock())
    taken = f"An admin took the permission jobs.run, which jobs:run needs, from the user on {today}; an admin can give it back."
    assert taken in response.headers["WWW-Authenticate"]
    assert taken == response.get_json()["error_description"]
    names = {t["name"] for t in gateway.ask("tools/list", token=token).get_json()["result"]["tools"]}
    assert "run" not in names
    assert "query" in names


def test_a_permission_lost_in_one_project_shrinks_the_assertion(gateway: GatewayWorld) -> None:
    world, member = gateway.world, gateway.world.member("Job Operator")
    token = gateway.token(member_id=member)
    sales, marketing = world.projects["Sales"], world.projects["Marketing"]
    manage_members.forbid(world.services, world.account_id, UUID(member), "metrics.query", projects=[marketing], actor_id=world.admin_id, origin=UI)
    assert gateway.call("query", token=token).status_code == 200
    assert gateway.verified(gateway.upstream.last.assertion)[1]["projects"] == [sales]
    assert gateway.call("query", {"project": "Marketing"}, token=token).get_json()["result"]["isError"] is True


def test_a_narrowed_consent_is_felt_at_once(gateway: GatewayWorld) -> None:
    world, token = gateway.world, gateway.token()
    consent_id = consent_of(gateway, token)
    sales = world.projects["Sales"]
    end_consent.narrow(
        world.services, world.account_id, str(consent_id), scopes=["projects:query"], projects=(sales,), actor_id=world.admin_id, origin=UI
    )
    assert gateway.call("run", token=token).status_code == 403
    assert gateway.call("query", token=token).status_code == 200
    assert gateway.verified(gateway.upstream.last.assertion)[1]["projects"] == [sales]


def test_a_withdrawn_consent_is_felt_at_once(gateway: GatewayWorld) -> None:
    world, token = gateway.world, gateway.token()
    end_consent.withdraw(world.services, world.account_id, str(consent_of(gateway, token)), actor_id=world.admin_id, origin=UI)
    assert gateway.call("query", token=token).status_code == 401


def test_a_removed_project_is_no_longer_passed_on(gateway: GatewayWorld) -> None:
    world, token = gateway.world, gateway.token()
    manage_projects.remove(world.services, world.account_id, "Marketing", actor_id=world.admin_id, origin=UI)
    gateway.call("account", token=token)
    assert gateway.verified(gateway.upstream.last.assertion)[1]["projects"] == [world.projects["Sales"]]


def test_an_expired_token_is_refused(gateway: GatewayWorld) -> None:
    token = gateway.token()
    gateway.world.later(minutes=11)
    assert gateway.call("query", token=token).status_code == 401


def test_a_resource_registered_anew_has_new_operations_and_ends_the_old_grants(gateway: GatewayWorld) -> None:
    token = gateway.token()
    manage_resources.remove(gateway.world.services, gateway.world.account_id, MCP, origin=CLI)
    assert gateway.call("query", token=token).status_code == 404
    gateway.add_resource(MCP, gateway.upstream.url, operations={"tools": {"query": "jobs:run"}})
    assert gateway.call("query", token=token).status_code == 401, "what ended stays ended"
    assert gateway.call("query", token=gateway.token(scopes="projects:query")).status_code == 403


def test_a_scope_that_the_role_never_had_or_that_was_narrowed_away_is_not_blamed_on_an_admin(gateway: GatewayWorld) -> None:
    world = gateway.world
    analyst = gateway.call("run", token=gateway.token(member_id=world.member("Analyst"))).get_json()["error_description"]
    assert analyst.startswith("The user's role does not include the permission jobs.run, which jobs:run needs;")
    token = gateway.token()
    end_consent.narrow(
        world.services, world.account_id, str(consent_of(gateway, token)), scopes=["projects:query"], projects="*", actor_id=world.admin_id, origin=UI
    )
    assert gateway.call("run", token=token).get_json()["error_description"].startswith("jobs:run was taken out of what the user allowed")
