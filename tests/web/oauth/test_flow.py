from __future__ import annotations

from tests.support.oauth_world import ISSUER, MCP, REAL_SCOPES, World


def test_a_client_goes_from_registration_to_revocation(shared: World) -> None:
    client_id = shared.client_id()
    back = shared.approve(client_id)
    assert back["iss"] == ISSUER
    assert back["state"] == "s-1"
    first = shared.exchange(client_id, back["code"])
    assert first.status_code == 200, first.text
    tokens = first.get_json()
    assert tokens["scope"] == f"offline_access {REAL_SCOPES}"
    second = shared.refresh(client_id, tokens["refresh_token"])
    assert second.status_code == 200, second.text
    assert second.get_json()["refresh_token"] != tokens["refresh_token"]
    told = shared.introspect(second.get_json()["access_token"])
    assert told["active"]
    assert told["aud"] == MCP
    gone = shared.post("/oauth/revoke", client_id=client_id, token=second.get_json()["refresh_token"])
    assert gone.status_code == 200
    assert shared.introspect(second.get_json()["access_token"]) == {"active": False}
    refused = shared.refresh(client_id, second.get_json()["refresh_token"])
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_grant")
    assert shared.topics(shared.grant_id(tokens)) == ["grant.code_issued", "grant.code_exchanged", "grant.tokens_refreshed", "grant.revoked"]
