"""What a directory may say about a person (RFC 7643 4.1, as far as we keep it), read from its requests and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from application import emails
from domain.errors import InvalidInput

NAME_PARTS = ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")
_LONGEST = 200
_MOST_EMAILS = 10


@dataclass(frozen=True, slots=True)
class Profile:
    """The attributes that we keep; all else that a directory sends is ignored (RFC 7644 3.3)."""

    user_name: str
    external_id: str | None = None
    display_name: str | None = None
    name: Mapping[str, str] = field(default_factory=dict)
    emails: tuple[Mapping[str, Any], ...] = ()

    @property
    def email(self) -> str:
        """The address by which the person signs in: the primary one, else the first, else a userName that is one."""
        chosen = next((e for e in self.emails if e.get("primary")), self.emails[0] if self.emails else None)
        return emails.normalised(str(chosen["value"]) if chosen else self.user_name)

    @property
    def shown_name(self) -> str:
        parts = (self.name.get("givenName", ""), self.name.get("familyName", ""))
        return self.display_name or self.name.get("formatted") or " ".join(part for part in parts if part) or self.user_name

    def as_attributes(self) -> dict[str, Any]:
        """The attributes under their SCIM names, those that are set."""
        found = {
            "userName": self.user_name,
            "externalId": self.external_id,
            "displayName": self.display_name,
            "name": dict(self.name),
            "emails": [dict(e) for e in self.emails],
        }
        return {name: value for name, value in found.items() if value}


def profile_from(attributes: Mapping[str, Any]) -> Profile:
    """The profile that these attributes make; names in any case (RFC 7643 2.1). `InvalidInput` names what is wrong."""
    given = {str(name).lower(): value for name, value in attributes.items()}
    user_name = _text(given.get("username"), "userName")
    if not user_name:
        raise InvalidInput("userName is required.", field="userName")
    profile = Profile(
        user_name=user_name,
        external_id=_text(given.get("externalid"), "externalId"),
        display_name=_text(given.get("displayname"), "displayName"),
        name=_name(given.get("name")),
        emails=_emails(given.get("emails")),
    )
    try:
        profile.email  # noqa: B018  # checked here, so that it can be relied on
    except InvalidInput:
        raise InvalidInput("A person needs an e-mail address, in emails or as userName.", field="emails") from None
    return profile


def active_from(value: Any) -> bool | None:
    """True or false, also as the strings that Entra ID sends; None where it is not given."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise InvalidInput("active is true or false.", field="active")


def _text(value: Any, name: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise InvalidInput(f"{name} is printable text of up to {_LONGEST} characters.", field=name)
    return value.strip() or None


def _name(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidInput("name is an object.", field="name")
    known = {part.lower(): part for part in NAME_PARTS}
    parts = {known[str(k).lower()]: _text(v, f"name.{k}") for k, v in value.items() if str(k).lower() in known}
    return {part: text for part, text in parts.items() if text}


def _emails(value: Any) -> tuple[dict[str, Any], ...]:
    entries = [value] if isinstance(value, str | Mapping) else value
    if entries is None:
        return ()
    if not isinstance(entries, list) or len(entries) > _MOST_EMAILS:
        raise InvalidInput(f"emails is a list of up to {_MOST_EMAILS} addresses.", field="emails")
    return tuple(found for entry in entries if (found := _email(entry)))


def _email(entry: Any) -> dict[str, Any] | None:
    fields = {"value": entry} if isinstance(entry, str) else {str(k).lower(): v for k, v in entry.items()} if isinstance(entry, Mapping) else {}
    address = _text(fields.get("value"), "emails.value")
    if address is None:
        return None
    kind, primary = _text(fields.get("type"), "emails.type"), active_from(fields.get("primary"))
    return {"value": address, **({"type": kind} if kind else {}), **({"primary": True} if primary else {})}
