"""Client metadata (RFC 7591 2): what a registration may say, brought into the form in which it is stored and echoed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from application import redirect_uris
from domain.errors import DomainError
from domain.scopes import OFFLINE_ACCESS, parse_scope

GRANT_TYPES = ("authorization_code", "refresh_token")
LARGEST = 16_384
_SURELY_FITS = LARGEST // 12
"""Characters of a representation, of which each is one of JSON, or an escape of at most twelve."""
_TEXTS = {"client_name": 200, "software_id": 255, "software_version": 255}
_URLS = frozenset({"client_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri"})
_LOCALISED = ("client_name", "client_uri", "logo_uri", "policy_uri", "tos_uri")
_MOST_CONTACTS, _LONGEST_CONTACT, _LONGEST_URL = 10, 320, 2048
_LONGEST_LANGUAGE = 35  # RFC 5646 4.4.1


class Document(dict[str, Any]):
    """A registration's metadata as it was read, never changed; `admitted` is what it came to by an account as it stood at a version."""

    __slots__ = ("admitted",)

    def __init__(self, members: Mapping[str, Any]) -> None:
        super().__init__(members)
        self.admitted: tuple[UUID, int, dict[str, Any]] | None = None


class RegistrationError(DomainError):
    """A registration was refused (RFC 7591 3.2.2). `code` is the error's code, `status` the answer's."""

    def __init__(self, code: str, message: str, *, status: int = 400, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code, self.status, self.retry_after = code, status, retry_after


def validate(document: object, allowed_scopes: tuple[str, ...]) -> dict[str, Any]:
    """The metadata to store, without contacts; `RegistrationError` says what is wrong.

    As RFC 7591 2 allows, members that are unknown, null or empty are left out, and grant types, response types, scopes and
    authentication methods that aren't served are replaced by those that are: the echo tells.
    """
    if not isinstance(document, Mapping):
        raise _invalid("The metadata is a JSON object.")
    given = {k: v for k, v in document.items() if v is not None and v != ""}
    metadata: dict[str, Any] = {"redirect_uris": _redirect_uris(given.get("redirect_uris"))}
    metadata |= _texts(given)
    metadata |= _urls(given)
    if given.get("application_type") in ("web", "native"):
        metadata["application_type"] = given["application_type"]
    metadata["token_endpoint_auth_method"] = _auth_method(given.get("token_endpoint_auth_method", "none"))
    metadata["grant_types"] = _served(given, "grant_types", GRANT_TYPES)
    metadata["response_types"] = _served(given, "response_types", ("code",))
    if "scope" in given:
        metadata["scope"] = _scope(given["scope"], allowed_scopes)
    metadata |= _keys(given)
    if len(repr(metadata)) > _SURELY_FITS and len(json.dumps(metadata)) > LARGEST:
        raise _invalid(f"The metadata has more than {LARGEST} characters.")
    return metadata


def contacts_of(document: Mapping[str, Any]) -> list[str]:
    """The e-mail addresses or other contacts of the client's makers: personal, so kept apart from the rest."""
    contacts = document.get("contacts")
    if not contacts:
        return []
    fits = isinstance(contacts, list) and len(contacts) <= _MOST_CONTACTS
    if not fits or not all(isinstance(c, str) and 0 < len(c) <= _LONGEST_CONTACT and c.isprintable() for c in contacts):
        raise _invalid(f"contacts is a list of at most {_MOST_CONTACTS} strings.")
    return list(contacts)


def _redirect_uris(uris: object) -> list[str]:
    if not isinstance(uris, list) or not uris:
        raise RegistrationError("invalid_redirect_uri", "redirect_uris is required: a list with at least one URI.")
    if len(uris) > redirect_uris.MOST:
        raise RegistrationError("invalid_redirect_uri", f"redirect_uris has at most {redirect_uris.MOST} URIs.")
    for uri in uris:
        why = redirect_uris.why_refused(uri)
        if why:
            raise RegistrationError("invalid_redirect_uri", why)
    return list(dict.fromkeys(uris))


def _texts(given: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name, value in given.items():
        longest = _TEXTS.get(_plain(name) if "#" in name else name)
        if longest is None:
            continue
        if not isinstance(value, str) or len(value) > longest or not value.isprintable():
            raise _invalid(f"{_plain(name)} is a string of at most {longest} printable characters.")
        if value.strip():
            found[name] = value.strip()
    return found


def _urls(given: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name, value in given.items():
        if (_plain(name) if "#" in name else name) not in _URLS:
            continue
        if not isinstance(value, str) or not _is_web_address(value):
            raise _invalid(f"{_plain(name)} is the URL of a web page.")
        found[name] = value
    return found


def _plain(name: str) -> str:
    """A member's name without its language tag (RFC 7591 2.2)."""
    plain, tagged, language = name.partition("#")
    if not tagged:
        return plain
    return plain if plain in _LOCALISED and 0 < len(language) <= _LONGEST_LANGUAGE and language.replace("-", "").isalnum() else ""


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        valid_port = parts.port != 0
    except ValueError:
        return False
    fits = len(text) <= _LONGEST_URL and text.isprintable() and " " not in text and valid_port
    return fits and parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _auth_method(method: object) -> str:
    """Every client is a public one here: it gets no secret, whatever it asked for."""
    if not isinstance(method, str):
        raise _invalid("token_endpoint_auth_method is a string.")
    return "none"


def _served(given: Mapping[str, Any], name: str, served: tuple[str, ...]) -> list[str]:
    """Those of the list's values that are served; its first is indispensable. Without the list: all."""
    values = given.get(name)
    if values is None or values == []:
        return list(served)
    if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
        raise _invalid(f"{name} is a list of strings.")
    if served[0] not in values:
        raise _invalid(f"{name} must hold {served[0]}.")
    return [v for v in served if v in values]


def _scope(scope: object, allowed: tuple[str, ...]) -> str:
    if not isinstance(scope, str) or len(scope) > _LONGEST_URL:
        raise _invalid("scope is a string of space-separated values.")
    kept = [s for s in parse_scope(scope) if s in allowed]
    if not any(s != OFFLINE_ACCESS for s in kept):
        raise _invalid(f"scope names nothing that this client may ask for: {' '.join(allowed)}")
    return " ".join(kept)


def _keys(given: Mapping[str, Any]) -> dict[str, Any]:
    if "jwks" not in given:
        return {}
    if "jwks_uri" in given or not isinstance(given["jwks"], Mapping) or not isinstance(given["jwks"].get("keys"), list):
        raise _invalid("jwks is a JSON Web Key Set, and stands only where jwks_uri does not.")
    keys = given["jwks"]["keys"]
    if any(not isinstance(k, Mapping) or {"d", "k", "p", "q"} & set(k) for k in keys):
        raise _invalid("jwks holds public keys only.")
    if not all(_is_member(name, value) for key in keys for name, value in key.items()):
        raise _invalid("The keys of jwks hold texts and lists of texts only.")
    return {"jwks": {"keys": keys}}


def _is_member(name: str, value: object) -> bool:
    """Whether a public key may have it (RFC 7517 4): flat, and texts without control characters."""
    values = value if isinstance(value, list) else [value]
    return bool(name) and name.isprintable() and all(isinstance(v, bool) or (isinstance(v, str) and v.isprintable()) for v in values)


def _invalid(message: str) -> RegistrationError:
    return RegistrationError("invalid_client_metadata", message)
