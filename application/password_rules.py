"""What a password must be, one that is made here, and the one form in which it is hashed."""

from __future__ import annotations

import re
import secrets
import unicodedata

from domain.errors import InvalidInput

SHORTEST = 12
LONGEST = 256
_FEWEST_DIFFERENT = 5
_COMMON = (
    *("password", "passwort", "grantbook", "qwertyuiop", "qwertzuiop", "letmein"),
    *("administrator", "welcome", "iloveyou", "abcdefghij", "1234567890"),
)


_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def made() -> str:
    """A random password of five groups that can be read aloud."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(5))


def prepared(password: str) -> str:
    """The password as it is hashed and compared: NFKC, since keyboards compose letters differently."""
    return unicodedata.normalize("NFKC", password)


def check(password: str, email: str) -> None:
    """`InvalidInput` with what is wrong; nothing about upper case, digits or signs is asked."""
    length = len(prepared(password))
    if length < SHORTEST:
        raise InvalidInput(f"A password needs at least {SHORTEST} characters; a few words in a row are good.", field="password")
    if length > LONGEST:
        raise InvalidInput(f"A password has at most {LONGEST} characters.", field="password")
    folded = prepared(password).casefold()
    if len(set(folded)) < _FEWEST_DIFFERENT:
        raise InvalidInput("This password repeats too few characters; use a few words in a row.", field="password")
    if email.partition("@")[0] in folded and len(email.partition("@")[0]) > 2:
        raise InvalidInput("A password may not contain your e-mail name.", field="password")
    rest = folded
    for word in _COMMON:
        rest = rest.replace(word, "")
    if len(re.sub(r"[\W\d_]", "", rest)) < 3 and rest != folded:
        raise InvalidInput("This password is among the first that are guessed; use a few words in a row.", field="password")
