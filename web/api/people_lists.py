"""A list that exists twice: of everybody's things for readers, with filters, and of one's own for each caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marshmallow import Schema

from web.api import context
from web.api.blueprints import ApiBlueprint
from web.api.guard import OWN, reads
from web.schemas.common import ListQuery

Listed = Callable[[dict[str, Any], str | None], dict[str, Any]]
"""(query, member id or None for everybody) -> the page."""


def serve_lists(blueprint: ApiBlueprint, things: str, query: type[Schema], page: type[Schema], listed: Listed, *, words: str, own_words: str) -> None:
    """`GET /things` and `GET /me/things`, described by these words."""

    def of_all(asked: dict[str, Any]) -> Any:
        return listed(asked, str(asked["member_id"]) if "member_id" in asked else None)

    def own(asked: dict[str, Any]) -> Any:
        return listed(asked, context.caller().member_id)

    of_all.__name__, of_all.__doc__ = f"list_{things}", words
    own.__name__, own.__doc__ = f"list_own_{things}", own_words
    answer = blueprint.response(200, page)
    blueprint.route(f"/{things}")(reads()(blueprint.arguments(query, location="query")(answer(of_all))))
    blueprint.route(f"/me/{things}")(reads(OWN)(blueprint.arguments(ListQuery, location="query")(answer(own))))
