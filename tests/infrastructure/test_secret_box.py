from __future__ import annotations

import secrets

from infrastructure.secret_box import KeySealedBox

OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)


def test_what_was_sealed_opens_for_its_purpose_only() -> None:
    box = KeySealedBox((NEW,))
    sealed = box.seal("a secret", "one")
    assert b"secret" not in sealed
    assert box.open(sealed, "one") == "a secret"
    assert box.open(sealed, "two") is None
    assert box.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), "one") is None


def test_a_secret_outlives_the_rotation_of_the_root_keys() -> None:
    sealed = KeySealedBox((OLD,)).seal("a secret", "one")
    assert KeySealedBox((NEW, OLD)).open(sealed, "one") == "a secret"
    assert KeySealedBox((NEW,)).open(sealed, "one") is None


def test_the_same_secret_never_looks_the_same() -> None:
    box = KeySealedBox((NEW,))
    assert box.seal("a", "p") != box.seal("a", "p")
