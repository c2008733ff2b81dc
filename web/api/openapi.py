"""The API's description (OpenAPI 3.1): what flask-smorest knows, with security, headers, problems and an example for every operation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from web.api import idempotency, positions, problems

METHODS: Final = ("get", "put", "post", "delete", "patch")
_SEGMENT: Final = r"^[^/\u0000-\u001f\u007f\ufffd]+$"
_NEEDS: Final = "x-grantbook-needs"
_READ_PROBLEMS: Final = (401, 403, 422, 429, 503)
_WRITE_PROBLEMS: Final = (400, 401, 403, 404, 409, 412, 413, 415, 422, 429, 503)
_PARAMETERS: Final[Mapping[str, dict[str, Any]]] = {
    "IfMatch": {
        "name": "If-Match", "in": "header", "schema": {"type": "string"}, "example": "*",
        "description": "The ETag that you read; 412 if it has changed since. `*` takes whatever it is.",
    },
    "IfMatchRequired": {
        "name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}, "example": "*",
        "description": "The ETag that you read; 412 if it has changed since, 428 without. `*` takes whatever it is.",
    },
    "IfNoneMatch": {
        "name": "If-None-Match", "in": "header", "schema": {"type": "string"}, "example": '"0f3a"',
        "description": "The ETag that you have; 304 if it is still this.",
    },
    "IdempotencyKey": {
        "name": idempotency.HEADER, "in": "header", "schema": {"type": "string", "pattern": idempotency.PATTERN}, "example": "5f1c0a9c-1",
        "description": "Any text of your own. Sent again within a day, the call does nothing and gets the first one's answer.",
    },
}  # fmt: skip
_HEADERS: Final[Mapping[str, dict[str, Any]]] = {
    positions.HEADER: {
        "description": "Of a write: the position of its event, or a token for it; `min_position` takes both. Of a read: what the views hold.",
        "schema": {"type": "string"}, "example": "12483",
    },
    positions.LAG_HEADER: {"description": "Seconds that the views are behind.", "schema": {"type": "string"}, "example": "0.021"},
    "ETag": {"description": "The version of what is answered.", "schema": {"type": "string"}, "example": '"0f3a"'},
    idempotency.REPLAYED: {"description": "`true` where this is the answer of an earlier call.", "schema": {"type": "string"}, "example": "true"},
}  # fmt: skip


def finished(document: Mapping[str, Any], issuer: str) -> dict[str, Any]:
    """The whole description, from what flask-smorest made."""
    spec = deepcopy(dict(document))
    spec["servers"] = [{"url": issuer}]
    spec["security"] = [{"bearer": []}]
    spec["components"]["securitySchemes"] = _security(issuer)
    spec["components"]["parameters"] = dict(_PARAMETERS)
    spec["components"]["headers"] = dict(_HEADERS)
    spec["components"]["responses"] = {f"Problem{status}": _problem(status, issuer) for status in {s for s, _ in problems.CODES.values()}}
    for tag in spec.get("tags", []):
        tag["name"] = _group(tag["name"])
    for item in spec["paths"].values():
        for parameter in item.get("parameters", []):
            parameter["schema"] |= {"minLength": 1, "maxLength": 300, "pattern": _SEGMENT}
    for path, method, operation in operations(spec):
        _complete(spec, path, method, operation)
    return spec


def operations(spec: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every operation with its path and method."""
    for path, item in spec["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def example_of(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """An example made of the examples of its members."""
    if "$ref" in schema:
        return example_of(spec, spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if schema.get("examples"):
        return schema["examples"][0]
    if "allOf" in schema or "anyOf" in schema:
        return example_of(spec, (schema.get("allOf") or schema["anyOf"])[0])
    kind = schema.get("type")
    if "properties" in schema:
        return {name: example_of(spec, member) for name, member in schema["properties"].items()}
    if "items" in schema:
        return [example_of(spec, schema["items"])]
    if isinstance(schema.get("additionalProperties"), Mapping) and schema["additionalProperties"]:
        return {"metrics.query": example_of(spec, schema["additionalProperties"])}
    return {} if kind == "object" else None


def _security(issuer: str) -> dict[str, Any]:
    flow = {
        "authorizationUrl": f"{issuer}/oauth/authorize",
        "tokenUrl": f"{issuer}/oauth/token",
        "refreshUrl": f"{issuer}/oauth/token",
        "scopes": {"account:read": "Read everything here that your permissions let you see.", "account:manage": "Change it."},
    }
    return {
        "bearer": {"type": "oauth2", "description": "An access token whose `aud` is this API.", "flows": {"authorizationCode": flow}},
        "resource": {"type": "http", "scheme": "basic", "description": "A protected resource's introspection id and secret."},
    }


def _complete(spec: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> None:
    needs = operation[_NEEDS]
    writes, own = method != "get", needs["scope"] in ("account:read", "account:manage")
    operation["tags"] = [_group(tag) for tag in operation["tags"]]
    operation["security"] = [{"bearer": [needs["scope"]]}] if own else [{"resource": []}]
    operation["description"] = _description(operation, needs, own=own)
    parameters = operation.setdefault("parameters", [])
    if writes:
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
        if own and ("{" in path or needs["conditional"]):
            parameters.append({"$ref": f"#/components/parameters/IfMatch{'Required' if needs['conditional'] else ''}"})
    elif "{" in path:
        parameters.append({"$ref": "#/components/parameters/IfNoneMatch"})
    _responses(spec, path, method, operation)
    for media in operation.get("requestBody", {}).get("content", {}).values():
        media["example"] = example_of(spec, media["schema"])


def _responses(spec: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> None:
    needs, writes = operation[_NEEDS], method != "get"
    responses: dict[str, Any] = {str(code): said for code, said in operation["responses"].items() if str(code)[0] == "2"}
    headers = [positions.HEADER, "ETag", *([idempotency.REPLAYED] if writes else [positions.LAG_HEADER])]
    for said in responses.values():
        said["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
        for media in said.get("content", {}).values():
            media["example"] = example_of(spec, media["schema"])
    statuses = {*(_WRITE_PROBLEMS if writes else _READ_PROBLEMS), *((428,) if needs.get("conditional") else ())}
    statuses |= {400, 500, *((404,) if "{" in path else ())}
    for status in sorted(statuses):
        responses[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    if not writes:
        responses["304"] = {"description": "It is still what you have."}
    operation["responses"] = dict(sorted(responses.items()))


def _description(operation: Mapping[str, Any], needs: Mapping[str, Any], *, own: bool) -> str:
    permissions = " and ".join(f"`{p}`" for p in needs["permissions"])
    asked = f"Needs the scope `{needs['scope']}`, and the permission {permissions} at that moment." if own else "Needs the resource's credentials."
    said = operation.get("description", "")
    return f"{said}\n\n{asked}".strip()


def _problem(status: int, issuer: str) -> dict[str, Any]:
    code, title = next((code, title) for code, (found, title) in problems.CODES.items() if found == status)
    kinds = ", ".join(f"`{name}`" for name, (found, _) in problems.CODES.items() if found == status)
    example = {"type": f"{issuer}/api/docs#{code}", "title": title, "status": status, "code": code}
    response: dict[str, Any] = {
        "description": f"{title} Code: {kinds}.",
        "content": {problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}},
    }
    if status in (429, 503):
        response["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}, "example": "1"}}
    return response


def _group(blueprint: str) -> str:
    return blueprint.removeprefix("api_").replace("_", " ").capitalize()
