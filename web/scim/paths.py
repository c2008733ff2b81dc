"""The filters and paths that directories use (RFC 7644 3.4.2.2, 3.5.2), in any case, with or without the schema's URN."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from web.scim.answers import USER, ScimError

_FILTER: Final = re.compile(r'\s*([A-Za-z][\w:.$\-]*(?:\[\s*type\s+eq\s+"[^"]*"\s*\]\.value)?)\s+eq\s+("(?:[^"\\]|\\.)*")\s*\Z', re.IGNORECASE)
_PATH: Final = re.compile(r'([A-Za-z]\w*)(?:\[\s*(\w+)\s+eq\s+("(?:[^"\\]|\\.)*"|true|false)\s*\])?(?:\.([A-Za-z]\w*))?\Z', re.IGNORECASE)
_LONGEST: Final = 1000


@dataclass(frozen=True, slots=True)
class Path:
    """`attribute[key eq value].part`, names in lower case."""

    attribute: str
    key: str = ""
    value: Any = None
    part: str = ""


def equals_filter(text: str) -> tuple[str, str]:
    """The attribute (lower case, without the URN) and the value of `attribute eq "value"`; anything else is `invalidFilter`."""
    match = _FILTER.match(text) if len(text) <= _LONGEST else None
    if match is None:
        raise ScimError(400, 'Filters are of the form userName eq "value"; also externalId, id and emails.value.', "invalidFilter")
    return plain_name(re.sub(r"\[.*\]", "", match[1])), _string(match[2], "invalidFilter")


def path_of(text: Any) -> Path:
    """Where an operation goes; `invalidPath` if it can't be read."""
    match = _PATH.match(plain_name(text, keep_case=True)) if isinstance(text, str) and len(text) <= _LONGEST else None
    if match is None:
        raise ScimError(400, "The path can't be read.", "invalidPath")
    attribute, key, value, part = match.groups()
    wanted = None if value is None else value.lower() == "true" if value.lower() in ("true", "false") else _string(value, "invalidPath")
    return Path(attribute.lower(), (key or "").lower(), wanted, (part or "").lower())


def plain_name(text: str, *, keep_case: bool = False) -> str:
    """The name without the core schema's URN."""
    text = text.strip()
    plain = text[len(USER) + 1 :] if text.lower().startswith(f"{USER.lower()}:") else text
    return plain if keep_case else plain.lower()


def _string(quoted: str, scim_type: str) -> str:
    try:
        found = str(json.loads(quoted))
        found.encode()
    except ValueError:  # a lone surrogate, too
        raise ScimError(400, "The value is no string.", scim_type) from None
    return found
