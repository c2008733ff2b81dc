"""Fields as the API writes them: each with an example and a sentence, strict about types, and without characters that can't be meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

NAME_PATTERN = r"^[^\u0000-\u001f\u007f\ufffd]*$"
UUID_EXAMPLE = "0a9c1c5e-6a53-4c7f-9f0e-1d9a9a3a7b21"
CLIENT_EXAMPLE = "app_0a9c1c5e6a534c7f9f0e1d9a9a3a7b21"
TIME_EXAMPLE = "2026-11-20T09:30:00+00:00"
PROJECT_EXAMPLE = "prj_1f0c22aa9b3e"


class Shape(Schema):
    """A JSON object with exactly these members."""

    class Meta:
        unknown = RAISE


class Text(fields.String):
    """A string in one line, without control characters."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if any(ord(char) < 32 or ord(char) in (127, 0xFFFD) for char in str(text)):
            raise ValidationError("No control or replacement characters.")
        return text


class Truth(fields.Boolean):
    """JSON's true or false, and nothing that merely means it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


def text(example: Any, description: str, *, maybe: bool = False, optional: bool = False, longest: int | None = None, shortest: int = 0) -> Text:
    """`maybe`: null where there is none. `optional`: may be left out."""
    checks = validate.Length(min=shortest or None, max=longest) if longest or shortest else None
    metadata = {"examples": [example], "description": description, "pattern": NAME_PATTERN}
    return Text(required=not optional, allow_none=maybe, validate=checks, metadata=metadata)


def choice(values: Sequence[str], example: str, description: str, *, maybe: bool = False, optional: bool = False) -> fields.String:
    metadata = {"examples": [example], "description": description}
    allowed = validate.OneOf([*values, None] if maybe else list(values))
    return fields.String(required=not optional, allow_none=maybe, validate=allowed, metadata=metadata)


def pattern(regex: str, example: str, description: str, *, optional: bool = False) -> Text:
    """`regex` as ECMAScript reads it, with ^ and $."""
    metadata = {"examples": [example], "description": description}
    checked = validate.Regexp(regex.removesuffix("$") + r"\Z")
    return Text(required=not optional, validate=checked, metadata={**metadata, "pattern": regex})


def uuid(description: str, *, maybe: bool = False, optional: bool = False) -> fields.UUID:
    return fields.UUID(required=not optional, allow_none=maybe, metadata={"examples": [UUID_EXAMPLE], "description": description})


def number(
    example: int, description: str, *, maybe: bool = False, optional: bool = False, least: int | None = None, most: int | None = None
) -> fields.Integer:
    checks = validate.Range(min=least, max=most) if least is not None or most is not None else None
    metadata = {"examples": [example], "description": description}
    return fields.Integer(strict=True, required=not optional, allow_none=maybe, validate=checks, metadata=metadata)


def truth(example: bool, description: str, *, optional: bool = False) -> Truth:  # noqa: FBT001  # the example's value
    return Truth(required=not optional, metadata={"examples": [example], "description": description})


def time(description: str, *, maybe: bool = True) -> fields.AwareDateTime:
    return fields.AwareDateTime(format="iso", required=True, allow_none=maybe, metadata={"examples": [TIME_EXAMPLE], "description": description})


def texts(
    example: Sequence[str], description: str, *, maybe: bool = False, optional: bool = False, most: int = 100, longest: int = 2048, shortest: int = 0
) -> fields.List[Any]:
    """A list of strings."""
    item = Text(validate=validate.Length(min=1, max=longest), metadata={"pattern": NAME_PATTERN})
    checks = validate.Length(min=shortest, max=most)
    metadata = {"examples": [list(example)], "description": description}
    return fields.List(item, required=not optional, allow_none=maybe, validate=checks, metadata=metadata)


def mapping(example: Any, description: str, *, optional: bool = False) -> fields.Dict:
    return fields.Dict(keys=fields.String(), required=not optional, metadata={"examples": [example], "description": description})


def nested(schema: type[Schema], description: str, *, maybe: bool = False) -> fields.Nested:
    return fields.Nested(schema, required=True, allow_none=maybe, metadata={"description": description})


def listed(schema: type[Schema], description: str) -> fields.List[Any]:
    return fields.List(fields.Nested(schema), required=True, metadata={"description": description})


# ---- what queries share


def query_number(example: int, description: str, *, least: int, most: int, default: int | None) -> fields.Integer:
    metadata = {"examples": [example], "description": description}
    return fields.Integer(load_default=default, validate=validate.Range(min=least, max=most), metadata=metadata)


def query_truth(description: str, *, default: bool | None) -> fields.String:
    """`true` or `false`, as queries spell it."""
    metadata = {"examples": ["true"], "description": description}
    said = None if default is None else str(default).lower()
    return fields.String(load_default=said, validate=validate.OneOf(["true", "false"]), metadata=metadata)


def query_time(description: str) -> fields.AwareDateTime:
    return fields.AwareDateTime(format="iso", load_default=None, metadata={"examples": [TIME_EXAMPLE], "description": description})
