from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path

import pytest
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, decode_timestamp_response

from infrastructure.clock import now
from infrastructure.ledger.deposits import agreement
from infrastructure.ledger.deposits.places import Deposit, PlaceFailed, Receipt
from infrastructure.ledger.deposits.timestamp import TimestampAuthority
from infrastructure.ledger.deposits.timestamp_answers import readable
from tests.infrastructure.ledger.deposits.authority import Authority, Changed, made
from tests.infrastructure.ledger.deposits.given import Log, answering, reply

pytestmark = pytest.mark.openssl


@pytest.fixture
def given() -> Deposit:
    return Log().at(9)


def stamped(authority: Authority, given: Deposit, *options: str, query: Changed = bytes, answer: Changed = bytes) -> Receipt:
    with authority.served(*options, query=query, answer=answer) as (url, _):
        return TimestampAuthority(url, [authority.root]).deposit(given, 0)


def another_query(message: bytes) -> Changed:
    """Asks for something else in our place, without our nonce."""
    request = TimestampRequestBuilder(message, HashAlgorithm.SHA256, nonce=True, cert_req=True).build()
    return lambda _: request.as_bytes()


def with_mods(answer: bytes) -> bytes:
    """PKIStatus 1 for 0: OpenSSL never modifies what it grants."""
    at = answer.index(b"\x30\x03\x02\x01\x00") + 4
    return answer[:at] + b"\x01" + answer[at + 1 :]


def verified(authority: Authority, given: Deposit, receipt: Receipt, folder: Path) -> str:
    """What an auditor sees, as docs/evidence.md says."""
    (folder / "checkpoint").write_text(given.note, encoding="utf-8", newline="")
    (folder / "checkpoint.tsr").write_bytes(base64.b64decode(receipt.kept))
    files = ("-in", str(folder / "checkpoint.tsr"), "-data", str(folder / "checkpoint"), "-CAfile", "ca.pem")
    return authority.openssl("ts", "-verify", *files, succeeds=False)


def test_a_checkpoint_is_stamped_and_openssl_verifies_the_token_that_is_kept(authority: Authority, given: Deposit, tmp_path: Path) -> None:
    with authority.served() as (url, asked):
        place = TimestampAuthority(url.replace("://", "://user:secret@"), [authority.root])
        receipt = place.deposit(given, 0)
        assert place.name == url.partition("://")[2]
        assert place.holds(given.signer) is None
    assert "Verification: OK" in verified(authority, given, receipt, tmp_path)
    assert "Verification: FAILED" in verified(authority, Log().at(9), receipt, tmp_path)
    token = decode_timestamp_response(base64.b64decode(receipt.kept)).tst_info
    assert receipt.told == f"serial {token.serial_number}, {token.gen_time:%Y-%m-%dT%H:%M:%SZ}"
    assert asked[0].header("content-type") == "application/timestamp-query"
    (authority.folder / "asked").write_bytes(asked[0].body)
    told = authority.openssl("ts", "-query", "-in", "asked", "-text")
    assert "Hash Algorithm: sha256" in told
    assert "Certificate required: yes" in told
    assert "Nonce: 0x" in told


def test_two_requests_have_two_nonces(authority: Authority, given: Deposit) -> None:
    with authority.served() as (url, asked):
        for _ in range(2):
            TimestampAuthority(url, [authority.root]).deposit(given, 0)
    assert len({request.body for request in asked}) == 2


def test_an_authority_that_sends_its_whole_chain_is_understood(authority: Authority, given: Deposit, tmp_path: Path) -> None:
    """In whatever order; what is kept is what it sent."""
    sent: list[bytes] = []

    def note(answer: bytes) -> bytes:
        sent.append(answer)
        return answer

    receipt = stamped(authority, given, "-chain", "ca.pem", answer=note)
    assert base64.b64decode(receipt.kept) == sent[0]
    assert "Verification: OK" in verified(authority, given, receipt, tmp_path)


def test_a_token_that_was_granted_with_modifications_is_one(authority: Authority, given: Deposit, tmp_path: Path) -> None:
    assert "Verification: OK" in verified(authority, given, stamped(authority, given, answer=with_mods), tmp_path)


def test_a_token_over_something_else_or_for_another_request_is_none(authority: Authority, given: Deposit) -> None:
    for message, said in ((b"something else", "Nonce mismatch"), (given.note.encode(), "Nonce mismatch")):
        with pytest.raises(PlaceFailed, match=rf"^Its answer is no time stamp that holds: {said}\.$"):
            stamped(authority, given, query=another_query(message))

    def of_another_log(query: bytes) -> bytes:
        """With our nonce."""
        imprint = query.index(b"\x04\x20") + 2
        return query[:imprint] + bytes(32) + query[imprint + 32 :]

    with pytest.raises(PlaceFailed, match=r"^Its answer is no time stamp that holds: Mismatch between messages\.$"):
        stamped(authority, given, query=of_another_log)


def test_a_token_of_an_authority_that_nobody_named_is_none(authority: Authority, given: Deposit, tmp_path: Path) -> None:
    with (
        authority.served() as (url, _),
        pytest.raises(PlaceFailed, match=r"^Its answer is no time stamp that holds: Error while verifying certificates"),
    ):
        TimestampAuthority(url, [made(tmp_path).root]).deposit(given, 0)


def test_a_refusal_is_told_with_its_reason(authority: Authority, given: Deposit) -> None:
    asks = TimestampRequestBuilder(b"x", HashAlgorithm.SHA512, nonce=True, cert_req=True).build().as_bytes()
    with pytest.raises(PlaceFailed, match=r"^It refused: Message digest algorithm is not supported\.$"):
        stamped(authority, given, query=lambda _: asks)
    with pytest.raises(PlaceFailed, match=r"^It refused: Bad request format or system error\.$"):
        stamped(authority, given, query=lambda _: b"nonsense")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\x30", b"\x30\x80\x00\x00", b"\x30\x84\xff\xff\xff\xff", b"\x30\x05\x30\x03\x02\x01\x00", bytes(500)]
)
def test_what_is_no_answer_is_told_so(authority: Authority, given: Deposit, body: bytes) -> None:
    with answering(lambda _: reply(body)) as url, pytest.raises(PlaceFailed, match=r"^Its answer is no time stamp that holds: .+\.$"):
        TimestampAuthority(url, [authority.root]).deposit(given, 0)
    with answering(lambda _: reply(b"Too many requests.", "429 Too Many Requests")) as url, pytest.raises(PlaceFailed, match=r"^It answered 429: "):
        TimestampAuthority(url, [authority.root]).deposit(given, 0)


def test_an_answer_that_is_cut_off_or_damaged_anywhere_is_an_error_and_never_a_crash(authority: Authority, given: Deposit) -> None:
    """No byte of a real one is worth more than a `ValueError`."""
    query = TimestampRequestBuilder(given.note.encode(), HashAlgorithm.SHA256, nonce=True, cert_req=True).build()
    whole = authority.stamp(query.as_bytes(), "-chain", "ca.pem")
    for end in range(0, len(whole), 3):
        with pytest.raises(ValueError, match=r"."):
            readable(whole[:end])
    for at in range(0, len(whole), 3):
        for bit in (0x01, 0x80):
            try:
                readable(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            except ValueError:
                continue


def test_a_length_that_is_not_told_is_no_der() -> None:
    status = b"\x02\x01\x01\x04\x79" + bytes(121)
    with pytest.raises(ValueError, match=r"^it is not written in DER$"):
        readable(b"\x30\x80\x30\x7e" + status)
    assert readable(b"\x30\x81\x80\x30\x7e" + status)


def test_a_time_that_is_not_now_is_none(authority: Authority, given: Deposit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "now", lambda: now() + timedelta(minutes=30))
    with pytest.raises(PlaceFailed, match=r"^It signed with the time .+, which is not now"):
        stamped(authority, given)
