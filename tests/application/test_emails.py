from __future__ import annotations

import pytest

from application import emails
from domain.errors import InvalidInput


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("Ada@Example.COM", "ada@example.com"),
        ("  ada@example.com \n", "ada@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ADA@BÜCHER.example", "ada@xn--bcher-kva.example"),
        ("straße@example.com", "strasse@example.com"),
        ("\uff41\uff44\uff41@example.com", "ada@example.com"),
        ("ada+tag@example.com", "ada+tag@example.com"),
        ("admin@localhost", "admin@localhost"),
    ],
)
def test_one_address_has_one_form_however_it_is_typed(typed: str, form: str) -> None:
    assert emails.normalised(typed) == form
    assert emails.normalised(form) == form


@pytest.mark.parametrize(
    "typed", ["", "ada", "@example.com", "ada@", "a b@example.com", "ada@exa mple.com", "ada@-x.com", "ada@x..com", "ada@example.com\x00", "a@b@c"]
)
def test_what_is_no_address_is_refused_by_name(typed: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        emails.normalised(typed)
    assert refused.value.field == "email"


def test_a_sign_in_looks_up_anything_that_was_typed() -> None:
    assert emails.looked_up("Ada@Example.com") == "ada@example.com"
    assert emails.looked_up("My Password!") == "my password!"
    assert len(emails.looked_up("x" * 10_000)) == 320
