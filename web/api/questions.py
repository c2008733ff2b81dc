"""The questions that auditors ask about the past, answered from the events, and what proves an answer."""

from __future__ import annotations

from typing import Any

from domain.errors import NotFound
from infrastructure.past.answers import Answer, Past
from infrastructure.past.moments import Connection
from infrastructure.past.questions import QUESTIONS
from web.answer_zip import ZIP, answer_zip
from web.api import context
from web.api.blueprints import new_blueprint
from web.api.guard import reads
from web.asking import as_json, asking_of
from web.schemas import questions as shapes
from web.schemas.common import ReadQuery

blueprint = new_blueprint("questions", "What auditors ask about the past, each line of an answer citing its events.")


@blueprint.route("/questions")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.Questions)
def list_questions(_: dict[str, Any]) -> Any:
    """List the questions."""
    return {"data": list(QUESTIONS.values())}


@blueprint.route("/questions/<question>")
@reads()
@blueprint.arguments(shapes.AskQuery, location="query")
@blueprint.response(200, shapes.Answer)
def ask_question(query: dict[str, Any], question: str) -> Any:
    """Ask one. The answer is derived from the account's events up to the moment asked about."""
    with context.views() as connection:
        answer = _answered(connection, question, query)
    return {**as_json(answer), "at": answer.at}


@blueprint.route("/questions/<question>/proof")
@reads()
@blueprint.doc(responses={"200": {"content": {ZIP: {"schema": {"type": "string", "examples": ["..."]}}}}})
@blueprint.arguments(shapes.AskQuery, location="query")
@blueprint.response(200)
def prove_answer(query: dict[str, Any], question: str) -> Any:
    """Ask one, and get the answer with the events that it cites and their proofs, to be checked offline with the verifier."""
    with context.views() as connection:
        answer = _answered(connection, question, query)
        return answer_zip(context.grantbook().settings, connection, context.account_id(), answer)


def _answered(connection: Connection, question: str, query: dict[str, Any]) -> Answer:
    asked = QUESTIONS.get(question)
    if asked is None:
        raise NotFound("There is no such question; /api/v1/questions lists them.")
    app = context.grantbook()
    past = Past(connection, app.store.mapper, app.keyring, context.account_id())
    given: dict[str, Any] = {parameter: query.get(parameter) for parameter in asked.parameters}
    return asked.answer(past, asking_of(context.services(), past, asked, given))
