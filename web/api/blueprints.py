"""Blueprints of the API: flask-smorest's, with strict reading of what is sent and problem details for whatever goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import msgspec
from flask import Request, request
from flask_smorest import Blueprint
from marshmallow import RAISE, Schema
from webargs.core import missing
from webargs.flaskparser import FlaskParser

from web.api import problems
from web.api.context import PREFIX
from web.api.problems import Problem

View = Callable[..., Any]
Decorator = Callable[[View], View]
_BROKEN = "\ufffd"


class StrictParser(FlaskParser):
    """JSON as msgspec reads it (no NaN, no unpaired surrogates), and no parameter that nobody knows."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": RAISE, "json": RAISE}  # noqa: RUF012  # webargs' own

    def load_json(self, req: Request, schema: Any) -> Any:  # noqa: ARG002  # webargs' signature
        body = req.get_data(cache=True)
        if not body:
            return missing
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            _malformed("The body is no valid JSON.")


class ApiBlueprint(Blueprint):
    """A blueprint below `/api/v1`."""

    ARGUMENTS_PARSER = StrictParser()

    def route(self, rule: str, **options: Any) -> Decorator:
        found: Decorator = super().route(rule, **options)
        return found

    def arguments(self, schema: type[Schema], *, location: str = "json", required: bool = True) -> Decorator:
        """The view gets what was sent as its first argument; a body that isn't required is `{}` where it is left out."""
        found: Decorator = super().arguments(schema, location=location, required=required)
        return found

    def response(self, status_code: int, schema: type[Schema] | None = None) -> Decorator:
        found: Decorator = super().response(status_code, schema)
        return found

    @staticmethod
    def doc(**said: Any) -> Decorator:
        found: Decorator = Blueprint.doc(**said)
        return found


def new_blueprint(name: str, description: str) -> ApiBlueprint:
    """A group of operations."""
    blueprint = ApiBlueprint(f"api_{name}", __name__, url_prefix=PREFIX, description=description)
    blueprint.before_request(refuse_unreadable)
    blueprint.register_error_handler(Exception, problems.answer)
    return blueprint


def refuse_unreadable() -> None:
    """PostgreSQL takes no NUL, and broken UTF-8 means nothing."""
    texts = [request.path, *(text for pair in request.args.items(multi=True) for text in pair)]
    if any("\x00" in text or _BROKEN in text for text in texts):
        _malformed("The URL holds characters that can't be meant.")


def _malformed(detail: str) -> NoReturn:
    raise Problem("malformed", detail)
