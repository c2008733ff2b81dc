"""RFC 9700 4.5, 4.8 and 4.2: stolen, injected and replayed codes, and PKCE downgrade."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.support.oauth_world import CALLBACK, World


@pytest.fixture(scope="module")
def victim(shared: World) -> str:
    return shared.client_id(client_name="Victim")


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def test_a_stolen_code_is_worthless_without_its_verifier(shared: World, victim: str) -> None:
    code = shared.approve(victim)["code"]
    for verifier in ("a" * 43, challenge("a" * 43), "a" * 128):
        assert shared.exchange(victim, code, code_verifier=verifier).get_json()["error"] == "invalid_grant"
    assert shared.exchange(victim, code).status_code == 200


def test_the_challenge_itself_is_no_verifier(shared: World, victim: str) -> None:
    verifier = "z" * 50
    code = shared.approve(victim, code_challenge=challenge(verifier))["code"]
    assert shared.exchange(victim, code, code_verifier=challenge(verifier)).get_json()["error"] == "invalid_grant"


def test_a_code_injected_into_another_session_does_not_fit_its_verifier(shared: World, victim: str) -> None:
    stolen = shared.approve(victim, code_challenge=challenge("v" * 43))["code"]
    assert shared.exchange(victim, stolen, code_verifier="w" * 43).get_json()["error"] == "invalid_grant"


def test_pkce_cannot_be_downgraded_by_leaving_it_out_or_by_plain(shared: World, victim: str) -> None:
    for changes in ({"code_challenge": None}, {"code_challenge_method": "plain"}, {"code_challenge_method": None}, {"code_challenge": ""}):
        assert "error=invalid_request" in shared.authorize(victim, **changes).headers["Location"]
    code = shared.approve(victim)["code"]
    for verifier in (None, ""):
        assert shared.exchange(victim, code, code_verifier=verifier).get_json()["error"] == "invalid_request"


def test_a_code_is_bound_to_its_client(shared: World, victim: str) -> None:
    attacker = shared.client_id(client_name="Attacker")
    code = shared.approve(victim)["code"]
    assert shared.exchange(attacker, code).get_json()["error"] == "invalid_grant"
    assert shared.exchange(victim, code).status_code == 200


def test_a_code_is_bound_to_its_redirect_uri(shared: World) -> None:
    other = "https://app.example/other"
    client_id = shared.client_id(redirect_uris=[CALLBACK, other])
    code = shared.approve(client_id)["code"]
    assert shared.exchange(client_id, code, redirect_uri=other).get_json()["error"] == "invalid_grant"


def test_every_changed_bit_of_a_code_is_noticed(shared: World, victim: str) -> None:
    code = shared.approve(victim)["code"]
    raw = bytearray(base64.urlsafe_b64decode(code))
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        assert shared.services.codec.read(base64.urlsafe_b64encode(bytes(changed)).decode()) is None
    assert shared.services.codec.read(code) is not None


def test_garbage_touches_no_grant_and_says_nothing_about_why(shared: World, victim: str) -> None:
    said = {shared.exchange(victim, garbage).get_json()["error_description"] for garbage in ("x", "A" * 88, "é" * 88, "A" * 5000)}
    assert said == {"The code is not valid."}


def test_a_code_of_another_store_is_not_valid_here(shared: World, victim: str) -> None:
    elsewhere = shared.services.codec.make(1, shared.services.new_id(), 0, 1)
    assert shared.exchange(victim, elsewhere).get_json()["error"] == "invalid_grant"
