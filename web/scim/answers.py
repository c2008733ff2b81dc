"""SCIM's answers: users, lists and errors in `application/scim+json` (RFC 7643 8, RFC 7644 3.12)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from flask import Response

from application.scim_users import User
from domain.errors import AlreadyExists, DomainError, InvalidInput, NotAllowed, NotFound, Refused

MEDIA_TYPE: Final = "application/scim+json"
USERS: Final = "/Users"
USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
_STATUS: Final[dict[type[DomainError], tuple[int, str | None]]] = {
    InvalidInput: (400, "invalidValue"),
    NotFound: (404, None),
    AlreadyExists: (409, "uniqueness"),
    NotAllowed: (403, None),
    Refused: (403, None),
}
_ALWAYS: Final = frozenset({"schemas", "id", "meta"})


class ScimError(Exception):
    """A refusal with its status and, where RFC 7644 3.12 has one, its `scimType`."""

    def __init__(self, status: int, detail: str, scim_type: str | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.scim_type = status, detail, scim_type


def answer(body: Mapping[str, Any], status: int = 200, **headers: str) -> Response:
    response = Response(json.dumps(body, ensure_ascii=False), status, content_type=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def error(status: int, detail: str, scim_type: str | None = None) -> Response:
    body = {"schemas": [_ERROR], "status": str(status), "detail": detail, **({"scimType": scim_type} if scim_type else {})}
    return answer(body, status)


def domain_error(refusal: DomainError) -> Response:
    status, scim_type = _STATUS.get(type(refusal), (400, None))
    return error(status, refusal.message, scim_type)


def user(found: User, base_url: str) -> dict[str, Any]:
    """A person as a resource."""
    attributes = found.profile.as_attributes()
    return {
        "schemas": [USER],
        "id": found.member_id,
        **attributes,
        "active": found.active,
        "meta": {
            "resourceType": "User",
            "created": _time(found.created_at),
            "lastModified": _time(found.changed_at),
            "location": f"{base_url}{USERS}/{found.member_id}",
        },
    }


def chosen(resource: dict[str, Any], wanted: str | None, unwanted: str | None) -> dict[str, Any]:
    """What `attributes` or `excludedAttributes` leave of a resource (RFC 7644 3.9); sub-attributes count as their attribute."""
    if wanted:
        kept = _names(wanted)
        return {name: value for name, value in resource.items() if name in _ALWAYS or name.lower() in kept}
    if unwanted:
        gone = _names(unwanted)
        return {name: value for name, value in resource.items() if name in _ALWAYS or name.lower() not in gone}
    return resource


def listed(resources: list[dict[str, Any]], total: int, start: int) -> dict[str, Any]:
    return {"schemas": [LIST], "totalResults": total, "startIndex": start, "itemsPerPage": len(resources), "Resources": resources}


def _names(text: str) -> frozenset[str]:
    plain = (name.strip().lower().removeprefix(USER.lower() + ":") for name in text.split(","))
    return frozenset(name.partition(".")[0] for name in plain)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
