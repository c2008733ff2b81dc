from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from application.ports import Busy
from domain.access import access
from infrastructure import signing_keys
from infrastructure.signing import JwtAccessTokens
from tests.domain.given import START, World, a_world

SECRET = b"s" * 32


class Table:
    """The table `signing_keys`, and signers that read it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rows: list[dict[str, Any]] = []
        self.reads = 0

    def read(self) -> list[dict[str, Any]]:
        self.reads += 1
        return [dict(row) for row in self.rows]

    def signer(self, *secrets: bytes) -> JwtAccessTokens:
        return JwtAccessTokens("https://auth.example", secrets or (SECRET,), self.read)

    def add(self, kid: str, use: str = "token", status: str = "active", *, after: float = 0, signer: JwtAccessTokens | None = None) -> None:
        made = (signer or self.signer()).new_key(kid)
        at = START + timedelta(seconds=after)
        self.rows.append(
            {
                "kid": kid, "account_id": self.world.grant.account_id, "use": use, "alg": made.alg, "public_jwk": made.public_jwk, "status": status,
                "private_wrapped": made.private_wrapped, "created_at": START, "activate_at": at,
            }
        )  # fmt: skip

    def token(self, signer: JwtAccessTokens, *, later: float = 0, ttl: int = 600) -> str:
        now = START + timedelta(seconds=later)
        return signer.issue(self.world.standing, access(self.world.standing), token_id="j", now=now, ttl=ttl)


@pytest.fixture
def table() -> Table:
    return Table(a_world())


def kid_of(table: Table, token: str) -> str:
    keys = KeySet.import_key_set({"keys": [k for s in [table.signer()] for k in s.jwks(table.world.grant.account_id)["keys"]]})
    return str(jwt.decode(token, keys, algorithms=["ES256"]).header["kid"])


def test_p28_a_token_verifies_with_joserfc_and_the_published_keys(table: Table) -> None:
    table.add("k1")
    assert kid_of(table, table.token(table.signer())) == "k1"


def test_a_published_key_signs_once_its_time_has_come_and_verifies_before(table: Table) -> None:
    table.add("k1")
    table.add("k2", status="published", after=60)
    signer = table.signer()
    assert kid_of(table, table.token(signer, later=59)) == "k1"
    assert kid_of(table, table.token(signer, later=60)) == "k2"
    assert {k["kid"] for k in signer.jwks(table.world.grant.account_id)["keys"]} == {"k1", "k2"}


def test_an_older_key_verifies_until_it_is_retired(table: Table) -> None:
    table.add("k1")
    signer = table.signer()
    token = table.token(signer)
    table.add("k2", after=1)
    signer.forget()
    assert signer.read(token, START) is not None
    table.rows[0]["status"] = "retired"
    signer.forget()
    assert signer.read(token, START) is None
    assert [k["kid"] for k in signer.jwks(table.world.grant.account_id)["keys"]] == ["k2"]


def test_a_token_of_a_key_that_is_newer_than_what_was_read_is_looked_up(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    table.add("k1")
    behind = table.signer()
    table.token(behind)
    table.add("k2", after=1)
    token = table.token(table.signer(), later=5)
    assert behind.read(token, START) is None  # it looked a moment ago
    monkeypatch.setattr(signing_keys, "_UNKNOWN_REREAD_SECONDS", -1.0)
    assert behind.read(token, START) is not None


def test_unknown_key_ids_do_not_make_it_read_again_and_again(table: Table) -> None:
    table.add("k1")
    signer = table.signer()
    token = table.token(signer)
    table.rows[0]["kid"] = "k9"
    other = table.token(table.signer())
    reads = table.reads
    for _ in range(50):
        assert signer.read(other, START) is None
    assert table.reads == reads
    assert signer.read(token, START) is not None


def test_an_assertion_has_its_own_key_and_type_and_is_no_access_token(table: Table) -> None:
    table.add("k1")
    table.add("a1", use="assertion")
    signer = table.signer()
    claims = signer.read(table.token(signer), START)
    assert claims is not None
    assertion = signer.assertion(table.world.grant.account_id, claims, START)
    decoded = jwt.decode(assertion, KeySet.import_key_set(signer.jwks(table.world.grant.account_id)), algorithms=["ES256"])  # type: ignore[arg-type]
    assert decoded.header == {"alg": "ES256", "typ": "grantbook-assertion+jwt", "kid": "a1"}
    assert signer.read(assertion, START) is None


def test_without_a_usable_key_it_is_busy_and_never_signs_with_another_accounts(table: Table) -> None:
    with pytest.raises(Busy):
        table.token(table.signer())
    table.add("k1", status="published", after=60)
    with pytest.raises(Busy):
        table.token(table.signer())
    table.add("k2")
    table.rows[-1]["account_id"] = "another"
    with pytest.raises(Busy):
        table.token(table.signer())


def test_private_keys_are_wrapped_and_open_under_any_configured_secret_key(table: Table) -> None:
    table.add("k1", signer=table.signer(b"old" * 11))
    with pytest.raises(Busy):
        table.token(table.signer())
    assert kid_of(table, table.token(table.signer(SECRET, b"old" * 11))) == "k1"
    assert len(table.rows[0]["private_wrapped"]) == 40


def test_an_expired_token_is_not_read_even_from_memory(table: Table) -> None:
    table.add("k1")
    signer = table.signer()
    token = table.token(signer, ttl=60)
    assert signer.read(token, START + timedelta(seconds=59)) is not None
    assert signer.read(token, START + timedelta(seconds=60)) is None


def test_another_issuers_token_is_not_read(table: Table) -> None:
    table.add("k1")
    elsewhere = JwtAccessTokens("https://other.example", (SECRET,), table.read)
    assert table.signer().read(table.token(elsewhere), START) is None


def test_what_was_proven_is_remembered_within_bounds(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infrastructure.signing._PROVEN", 3)
    table.add("k1")
    signer = table.signer()
    tokens = [table.token(signer, ttl=100 + n) for n in range(10)]
    assert all(signer.read(token, START) for token in tokens)
    assert len(signer._proven) <= 3
