"""What this service provider says about itself (RFC 7643 5 to 7): its configuration, resource types and schemas."""

from __future__ import annotations

from typing import Any, Final

from application.scim_profiles import NAME_PARTS
from web.scim.answers import USER

_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:"
MOST_RESULTS: Final = 200


def provider_config(base_url: str) -> dict[str, Any]:
    off = {"supported": False}
    return {
        "schemas": [f"{_SCHEMA}ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {**off, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": MOST_RESULTS},
        "changePassword": off,
        "sort": off,
        "etag": off,
        "authenticationSchemes": [
            {"type": "oauthbearertoken", "name": "Bearer token", "description": "The token from Settings, Single sign-on.", "primary": True}
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base_url}/ServiceProviderConfig"},
    }


def resource_type(base_url: str) -> dict[str, Any]:
    return {
        "schemas": [f"{_SCHEMA}ResourceType"],
        "id": "User",
        "name": "User",
        "description": "A person who is a member of the account",
        "endpoint": "/Users",
        "schema": USER,
        "schemaExtensions": [],
        "meta": {"resourceType": "ResourceType", "location": f"{base_url}/ResourceTypes/User"},
    }


def user_schema(base_url: str) -> dict[str, Any]:
    """The attributes that are kept; others are ignored."""
    emails = [_attribute("value"), _attribute("type"), _attribute("primary", "boolean")]
    return {
        "schemas": [f"{_SCHEMA}Schema"],
        "id": USER,
        "name": "User",
        "description": "A person who is a member of the account",
        "attributes": [
            _attribute("userName", required=True, uniqueness="server"),
            _attribute("externalId", exact=True),
            _attribute("displayName"),
            {**_attribute("name", "complex"), "subAttributes": [_attribute(part) for part in NAME_PARTS]},
            {**_attribute("emails", "complex"), "multiValued": True, "subAttributes": emails},
            _attribute("active", "boolean"),
        ],
        "meta": {"resourceType": "Schema", "location": f"{base_url}/Schemas/{USER}"},
    }


def _attribute(name: str, kind: str = "string", *, required: bool = False, uniqueness: str = "none", exact: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "type": kind,
        "multiValued": False,
        "description": name,
        "required": required,
        "caseExact": exact,
        "mutability": "readWrite",
        "returned": "default",
        "uniqueness": uniqueness,
    }
