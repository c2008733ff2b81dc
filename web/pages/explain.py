"""Why an app could do something for somebody at a moment, or could not: each condition, the event that last changed it, and the proof."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, make_response, redirect, request
from werkzeug.wrappers import Response

from domain.errors import InvalidInput
from web.answer_zip import answer_zip
from web.pages import context, explain_asking, explain_views
from web.pages.explain_models import ExplainView
from web.pages.frame import settings_page
from web.pages.models import Step
from web.pages.session import for_readers

blueprint = Blueprint("explain", __name__, url_prefix="/explain")

_HERE: Final = "settings.replay.show"


@blueprint.get("")
@for_readers
def show() -> Response:
    """The form, and the answer to what it asks. A name or a date leads to an id or a time, so that a link keeps its meaning."""
    fields = explain_asking.given(request.args)
    with context.views() as conn:
        found = explain_asking.read(conn, fields) if fields else explain_asking.Read(None, {}, {})
        if found.asking is not None and found.query != fields:
            return redirect(explain_views.address(found.query), 303)
        answer = explain_views.explained(conn, found.asking, found.query) if found.asking is not None else None
        view = ExplainView(form=explain_views.form(conn, fields, found.asking), errors=found.errors, answer=answer)
        trail = (Step("Replay", answer.replay_url if answer else explain_views.replay_url()),)
        page = settings_page("settings/explain.html", conn, "Explain", "Replay", here=_HERE, trail=trail, error=bool(found.errors), view=view)
    return make_response(page, 400 if found.errors else 200)


@blueprint.get("/proof")
@for_readers
def proof() -> Response:
    """The answer with the events that it cites and their proofs, to be checked offline."""
    with context.views() as conn:
        found = explain_asking.read(conn, explain_asking.given(request.args))
        if found.asking is None:
            raise InvalidInput(" ".join(found.errors.values()))
        answer = explain_views.answered(context.past(conn), found.asking)
        return answer_zip(context.grantbook().settings, conn, str(context.account().id), answer)
