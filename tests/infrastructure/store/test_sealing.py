from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from infrastructure.store.sealing import DataKey, Wrapping, erased, period_of

DEK = bytes(range(32))
EVENT = "7b0e2f0e-3a53-4a8b-9a39-5a2a0d7f1c11:7"
SUBJECT, KID = "0f8fad5b-d9cb-469f-a165-70867728950e", "9f86d081884c7d65"


def test_a_sealed_value_opens_by_the_formulas_of_the_evidence_notes_alone() -> None:
    sealed = DataKey(KID, SUBJECT, DEK).for_event(EVENT).seal("192.0.2.7")
    key = HKDF(hashes.SHA256(), 32, None, f"gb1|{EVENT}".encode()).derive(DEK)
    opened = AESGCM(key).decrypt(b64decode(sealed.n), b64decode(sealed.ct), f"gb1|{EVENT}|{SUBJECT}|{KID}".encode())
    assert opened == b"192.0.2.7"
    assert b64decode(sealed.kc) == hashlib.sha256(b"gbkc" + key).digest()
    assert len(b64decode(sealed.n)) == 12
    assert (sealed.sub, sealed.kid) == (SUBJECT, KID)


def test_the_same_text_is_sealed_under_a_new_nonce_each_time() -> None:
    key = DataKey(KID, SUBJECT, DEK).for_event(EVENT)
    assert key.seal("x").n != key.seal("x").n


def test_a_blob_is_written_as_the_value_that_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infrastructure.store.sealing.random_bytes", lambda size: bytes(range(251, 251 - size, -1)))
    key = DataKey(KID, SUBJECT, DEK).for_event(EVENT)
    for text in ("", "a", "ab", "192.0.2.7", "\N{SNOWMAN}" * 40):
        assert msgspec.json.encode(key.blob(text)) == msgspec.json.encode(key.seal(text))


def test_a_blob_cannot_be_moved_to_another_event() -> None:
    data_key = DataKey(KID, SUBJECT, DEK)
    sealed = data_key.for_event(EVENT).seal("192.0.2.7")
    assert data_key.for_event(EVENT).open(sealed) == "192.0.2.7"
    assert data_key.for_event(EVENT.replace(":7", ":8")).open(sealed) is None


@pytest.mark.parametrize("part", ["n", "ct", "kc"])
def test_a_changed_blob_does_not_open(part: str) -> None:
    key = DataKey(KID, SUBJECT, DEK).for_event(EVENT)
    sealed = key.seal("192.0.2.7")
    raw = bytearray(b64decode(getattr(sealed, part)))
    raw[0] ^= 1
    assert key.open(replace(sealed, **{part: b64encode(bytes(raw)).decode()})) is None
    assert key.open(replace(sealed, **{part: "%%%"})) is None


def test_any_wrapping_key_of_the_list_unwraps_and_the_newest_wraps() -> None:
    old, new = Wrapping((b"o" * 32,)), Wrapping((b"n" * 32, b"o" * 32))
    wrapped = old.wrap(DEK)
    assert len(wrapped) == 40
    assert new.unwrap(wrapped, old.kek_id) == DEK
    assert new.kek_id != old.kek_id
    assert old.unwrap(new.wrap(DEK), new.kek_id) is None
    assert new.unwrap(bytes(40), old.kek_id) is None


def test_members_have_a_key_per_quarter_and_accounts_one_per_day() -> None:
    at = datetime(2026, 11, 24, 23, 59, tzinfo=UTC)
    assert period_of(SUBJECT, at) == "2026Q4"
    assert [period_of(SUBJECT, at.replace(month=m, day=1)) for m in (1, 3, 4, 6, 7, 9, 10)] == [
        "2026Q1", "2026Q1", "2026Q2", "2026Q2", "2026Q3", "2026Q3", "2026Q4",
    ]  # fmt: skip
    assert period_of("account:b7c8b2a4", at) == "2026-11-24"


def test_an_erased_value_holds_nothing_but_whose_it_was() -> None:
    assert erased(SUBJECT) == type(erased(SUBJECT))(SUBJECT, "", "", "", "")
