"""PATCH (RFC 7644 3.5.2) as Okta and Entra ID send it: operations in any case, with dotted paths, filters, or no path at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from application.scim_profiles import NAME_PARTS
from web.scim.answers import ScimError
from web.scim.paths import Path, path_of, plain_name

_MOST: Final = 100
_PLAIN: Final = {"username": "userName", "externalid": "externalId", "displayname": "displayName", "active": "active"}
_NAME_PARTS: Final = {part.lower(): part for part in NAME_PARTS}
_READ_ONLY: Final = frozenset({"id", "meta", "schemas", "groups"})
_KINDS: Final = frozenset({"add", "replace", "remove"})


def patched(attributes: Mapping[str, Any], operations: Any) -> dict[str, Any]:
    """The attributes after all operations, or none: a refusal changes nothing. Attributes that we don't keep are ignored."""
    if not isinstance(operations, list) or not 0 < len(operations) <= _MOST:
        raise ScimError(400, f"Operations is a list of 1 to {_MOST} operations.", "invalidSyntax")
    found: dict[str, Any] = {**attributes, "name": dict(attributes.get("name") or {}), "emails": [dict(e) for e in attributes.get("emails") or ()]}
    for operation in operations:
        if not isinstance(operation, Mapping):
            raise ScimError(400, "An operation is an object.", "invalidSyntax")
        given = {str(name).lower(): value for name, value in operation.items()}
        kind = str(given.get("op", "")).lower()
        if kind not in _KINDS:
            raise ScimError(400, "op is add, replace or remove.", "invalidSyntax")
        _apply(found, kind, given)
    return found


def _apply(found: dict[str, Any], kind: str, given: Mapping[str, Any]) -> None:
    path = given.get("path")
    if path not in (None, ""):
        _set(found, path_of(_unextended(path)), None if kind == "remove" else given.get("value"), kind)
        return
    if kind == "remove":
        raise ScimError(400, "A remove needs a path.", "noTarget")
    value = given.get("value")
    if not isinstance(value, Mapping):
        raise ScimError(400, "Without a path, value is an object of attributes.", "invalidSyntax")
    for name, part in value.items():
        if plain_name(str(name)) not in _READ_ONLY:  # a whole resource may be sent back with what it was read with
            _set(found, path_of(_unextended(str(name))), part, kind)


def _unextended(path: Any) -> Any:
    """Another schema's attribute, by a name that we keep nothing under."""
    if isinstance(path, str) and plain_name(path).startswith("urn:"):
        return "extension"
    return path


def _set(found: dict[str, Any], path: Path, value: Any, kind: str) -> None:
    if path.attribute in _READ_ONLY:
        raise ScimError(400, f"{path.attribute} can't be changed.", "mutability")
    if path.attribute in _PLAIN:
        if path.attribute == "username" and value in (None, ""):
            raise ScimError(400, "userName is required.", "invalidValue")
        found[_PLAIN[path.attribute]] = value
    elif path.attribute == "name":
        _set_name(found, path, value, kind)
    elif path.attribute == "emails":
        _set_emails(found, path, value, kind)


def _set_name(found: dict[str, Any], path: Path, value: Any, kind: str) -> None:
    if path.part:
        if path.part in _NAME_PARTS:
            found["name"] = {**found["name"], _NAME_PARTS[path.part]: value}
    elif value is None:
        found["name"] = {}
    elif isinstance(value, Mapping):
        given = {_NAME_PARTS[str(k).lower()]: v for k, v in value.items() if str(k).lower() in _NAME_PARTS}
        # A replace of a complex attribute sets the parts that are given (RFC 7644 3.5.2.3).
        found["name"] = {**found["name"], **given}
    else:
        raise ScimError(400, "name is an object.", "invalidValue")
    if kind != "remove" and "formatted" not in (str(k).lower() for k in (value if isinstance(value, Mapping) else ())) and path.part != "formatted":
        found["name"].pop("formatted", None)


def _set_emails(found: dict[str, Any], path: Path, value: Any, kind: str) -> None:
    if not path.key and not path.part:
        given = [value] if isinstance(value, str | Mapping) else value
        if given is not None and not isinstance(given, list):
            raise ScimError(400, "emails is a list.", "invalidValue")
        found["emails"] = _merged(found["emails"] if kind == "add" else [], given or [])
        return
    part = path.part or "value"
    hits = [entry for entry in found["emails"] if not path.key or _value_of(entry, path.key) == path.value]
    if kind == "remove":
        found["emails"] = [entry for entry in found["emails"] if entry not in hits] if not path.part or part == "value" else found["emails"]
        return
    if not hits:
        # Entra ID names an address by a filter that nothing fits yet, and means a new one.
        made = {path.key: path.value} if path.key and path.key != "value" else {}
        hits = [made]
        found["emails"].append(made)
    for entry in hits:
        entry.update(value if isinstance(value, Mapping) and not path.part else {part: value})


def _merged(before: list[Any], given: list[Any]) -> list[Any]:
    """Both, each address once; a new primary one takes the place of the old."""
    new = [entry if isinstance(entry, Mapping) else {"value": entry} for entry in given]
    if any(_value_of(entry, "primary") is True for entry in new):
        before = [{name: v for name, v in entry.items() if name != "primary"} for entry in before]
    addresses = {_value_of(entry, "value") for entry in new}
    return [entry for entry in before if entry.get("value") not in addresses] + [dict(entry) for entry in new]


def _value_of(entry: Mapping[str, Any], name: str) -> Any:
    found = {str(k).lower(): v for k, v in entry.items()}.get(name)
    return bool(found) if name == "primary" else found
