"""The page that shows the API's description: made on the server, without any script, from the very document that programs read."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from flask import Blueprint, render_template

from web import hosts
from web.api import openapi, problems
from web.pages import headers
from web.pages.models import Page

blueprint = Blueprint("api_docs", __name__, url_prefix="/api")
blueprint.after_request(headers.apply)

_SHORT: Final = 12


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: str
    required: bool
    description: str
    kind: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One operation as the page shows it."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    parameters: tuple[Parameter, ...]
    body: str | None
    answers: tuple[str, ...]
    answer: str | None


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    description: str
    operations: list[Shown] = field(default_factory=list)


@blueprint.get("/docs")
def show() -> str:
    """The page; made anew for each reader, which is cheap enough and needs no cache."""
    from web.api.registry import document  # noqa: PLC0415  # the registry takes this page in

    spec = document()
    services = hosts.services()
    codes = [(code, status, title) for code, (status, title) in problems.CODES.items()]
    return render_template(
        "api/docs.html", page=Page(titles=("API",)), platform="Grantbook", groups=groups(spec), codes=codes, api_url=services.api_url,
        issuer=services.issuer,
    )  # fmt: skip


def groups(spec: dict[str, Any]) -> list[Group]:
    """The operations by tag, in the description's order."""
    found = {tag["name"]: Group(tag["name"], tag.get("description", "")) for tag in spec["tags"]}
    for path, method, operation in openapi.operations(spec):
        found[operation["tags"][0]].operations.append(_shown(spec, path, method, operation))
    return list(found.values())


def _shown(spec: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> Shown:
    common = spec["paths"][path].get("parameters", [])
    body = next(iter(operation.get("requestBody", {}).get("content", {}).values()), None)
    status, success = next((code, said) for code, said in operation["responses"].items() if code.startswith("2"))
    media = next(iter(success.get("content", {}).values()), None)
    return Shown(
        anchor=f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}",
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", "").replace("`", ""),
        parameters=tuple(_parameter(_resolved(spec, p)) for p in [*common, *operation.get("parameters", [])]),
        body=None if body is None else _pretty(body["example"]),
        answers=tuple(code for code in operation["responses"] if code != status),
        answer=f"{status}\n{_pretty(media['example'])}" if media else status,
    )


def _resolved(spec: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    found: Any = spec
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)


def _parameter(found: dict[str, Any]) -> Parameter:
    schema = found.get("schema", {})
    kind = schema.get("type", "string")
    values = schema.get("enum") or schema.get("items", {}).get("enum") or []
    said = f"one of {', '.join(map(str, values))}" if 0 < len(values) <= _SHORT else " or ".join(kind) if isinstance(kind, list) else kind
    description = found.get("description") or schema.get("description", "")
    return Parameter(found["name"], found["in"], bool(found.get("required")), description.replace("`", ""), said)


def _pretty(example: Any) -> str:
    return json.dumps(example, indent=2, ensure_ascii=False)
