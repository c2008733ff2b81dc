from __future__ import annotations

import base64
import hashlib

import pytest

from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.verifier import NotProven, open_checkpoint, read_vkey

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
ROOT = hashlib.sha256(b"root").digest()
SIGNER = LogSigner("auth.example.com/ledger", (NEW, OLD))
NOTE = SIGNER.checkpoint(70_000, ROOT)


def test_a_checkpoint_is_written_to_the_byte_as_specified() -> None:
    lines = NOTE.split("\n")
    assert lines[:4] == ["auth.example.com/ledger", "70000", base64.b64encode(ROOT).decode(), ""]
    assert [line.split(" ")[:2] for line in lines[4:6]] == [["\u2014", "auth.example.com/ledger"]] * 2
    assert lines[6:] == [""]
    assert len(base64.b64decode(lines[4].split(" ")[2])) == 4 + 64


def test_each_key_of_the_list_can_open_it() -> None:
    for vkey in SIGNER.vkeys:
        found = open_checkpoint(NOTE, vkey)
        assert (found.origin, found.size, found.root) == ("auth.example.com/ledger", 70_000, ROOT)


def test_the_vector_of_the_specification_is_read() -> None:
    name, key_id, _ = read_vkey("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
    assert (name, key_id.hex()) == ("example.com/foo", "530d903a")


@pytest.mark.parametrize("vkey", ["", "name", "a+00000000+AAAA", "example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "a+b+!"])
def test_a_damaged_key_is_refused(vkey: str) -> None:
    with pytest.raises(NotProven, match="verifier key"):
        open_checkpoint(NOTE, vkey)


def test_a_key_of_another_log_opens_nothing() -> None:
    other = LogSigner("auth.example.com/ledger", (bytes(range(2, 34)),)).vkeys[0]
    with pytest.raises(NotProven, match="has not signed"):
        open_checkpoint(NOTE, other)


@pytest.mark.parametrize("change", [("70000", "70001"), ("auth.example.com/ledger\n7", "auth.example.com/ledger\n07"), ("\n\n", "\nextension\n\n")])
def test_any_other_text_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises(NotProven):
        open_checkpoint(NOTE.replace(*change, 1), SIGNER.vkeys[0])


@pytest.mark.parametrize("note", ["", "text", "a\n\n", NOTE.rstrip("\n"), NOTE.replace("\u2014", "-"), NOTE.partition("\u2014")[0]])
def test_what_is_no_signed_note_is_refused(note: str) -> None:
    with pytest.raises(NotProven):
        open_checkpoint(note, SIGNER.vkeys[0])


def test_a_signature_that_is_no_base64_is_refused() -> None:
    with pytest.raises(NotProven):
        open_checkpoint(f"{NOTE.partition(chr(10) * 2)[0]}\n\n\u2014 auth.example.com/ledger !!!\n", SIGNER.vkeys[0])
