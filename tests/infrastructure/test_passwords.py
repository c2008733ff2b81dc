from __future__ import annotations

from argon2 import extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from infrastructure.passwords import Argon2Passwords


def test_a_password_verifies_against_its_own_hash_only() -> None:
    passwords = Argon2Passwords()
    secret = passwords.hash("correct horse battery")
    assert secret.startswith("$argon2id$")
    assert passwords.verify("correct horse battery", secret)
    assert not passwords.verify("Correct horse battery", secret)
    assert passwords.hash("correct horse battery") != secret


def test_without_a_hash_the_same_work_is_done_and_the_answer_is_no() -> None:
    passwords = Argon2Passwords()
    assert not passwords.verify("anything", None)
    assert extract_parameters(passwords._nobody) == RFC_9106_LOW_MEMORY
    assert passwords._nobody != Argon2Passwords()._nobody


def test_a_damaged_hash_is_a_wrong_password() -> None:
    assert not Argon2Passwords().verify("anything", "damaged")
