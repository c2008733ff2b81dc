from __future__ import annotations

import pytest

from application import password_rules
from domain.errors import InvalidInput


@pytest.mark.parametrize(
    "password", ["correct horse battery", "Tr0ub4dor&3xyz", "пароль для входа", "jz57-m3z2-qx4s-2j9q-3u6q", "x1y2z3-long-enough"]
)
def test_a_long_password_of_any_kind_is_taken(password: str) -> None:
    password_rules.check(password, "ada@example.com")


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("short", "at least 12"),
        ("", "at least 12"),
        ("elevenchars", "at least 12"),
        ("x" * 300, "at most 256"),
        ("aaaaaaaaaaaaaaaa", "repeats"),
        ("abababababababab", "repeats"),
        ("my-ada.lovelace-1", "e-mail name"),
        ("password1234", "guessed"),
        ("Password!2026", "guessed"),
        ("passwordpassword", "guessed"),
        ("qwertyuiop123", "guessed"),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(password: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as refused:
        password_rules.check(password, "ada.lovelace@example.com")
    assert refused.value.field == "password"
    assert not password or password not in refused.value.message


def test_two_ways_to_compose_a_letter_are_one_password() -> None:
    assert password_rules.prepared("cafe\u0301 au lait") == password_rules.prepared("caf\u00e9 au lait")
