from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest

import application
import domain
from application.ports import Busy
from domain.errors import InvalidInput
from infrastructure.store import errors as store_errors
from web.oauth import client_auth, forms
from web.oauth.errors import TABLE, as_description, error_answer


def modules() -> list[ModuleType]:
    found = [store_errors, client_auth, forms]
    for package in (domain, application):
        found += [importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)]
    return found


# Never leave their module: turned into a value, or into another error, before anyone else sees them.
INSIDE = {"_Refusal", "Lost", "NotLetIn"}
"""Never leave their use case, or end on a page of sign-in."""


def test_every_error_of_domain_and_use_cases_stands_in_the_table() -> None:
    raised = {e for m in modules() for e in vars(m).values() if isinstance(e, type) and issubclass(e, Exception) and e.__module__ == m.__name__}
    unmapped = {e.__name__ for e in raised if e.__name__ not in INSIDE and not any(base in TABLE for base in e.__mro__)}
    assert not unmapped


def test_what_is_in_no_table_is_a_server_error_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    answer = error_answer(RuntimeError("secret detail"))
    assert answer.status == 500
    assert b"secret" not in answer.body
    assert b'"server_error"' in answer.body


def test_busy_says_when_to_try_again_and_is_never_invalid_grant() -> None:
    answer = error_answer(Busy("x", retry_after=3))
    assert answer.status == 503
    assert ("Retry-After", "3") in answer.headers
    assert b"invalid_grant" not in answer.body


def test_descriptions_hold_only_the_characters_of_rfc_6749() -> None:
    assert as_description('a "b" \\ é\r\n') == "a 'b' ? ???"
    assert b"'x'" in error_answer(InvalidInput('no "x"')).body
