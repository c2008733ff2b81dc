"""E-mail addresses as people type them, and the one form under which a login is looked up."""

from __future__ import annotations

import re
import unicodedata

from domain.errors import InvalidInput

_SHAPE = re.compile(r"[^@\s]{1,64}@[^@\s]{1,253}")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def normalised(text: str) -> str:
    """The address in NFKC and case-folded, its domain in IDNA; `InvalidInput` if it can't be one."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.strip()).casefold())
    if not _SHAPE.fullmatch(folded) or any(unicodedata.category(c).startswith("C") for c in folded):
        raise InvalidInput("That is no e-mail address; it looks like name@example.com.", field="email")
    local, _, domain = folded.rpartition("@")
    return f"{local}@{_ascii(domain)}"


def looked_up(text: str) -> str:
    """The same for a sign-in: whatever was typed has a key, an address or not."""
    try:
        return normalised(text)
    except InvalidInput:
        return unicodedata.normalize("NFKC", text[:320]).casefold()


def _ascii(domain: str) -> str:
    try:
        ascii_domain = domain.encode("idna").decode().lower()
    except UnicodeError:
        ascii_domain = ""
    if not ascii_domain or not all(_LABEL.fullmatch(label) for label in ascii_domain.split(".")):
        raise InvalidInput("That e-mail address has no valid domain.", field="email")
    return ascii_domain
