"""Makes the page that explains one answer: the form as it was filled, and each session's conditions with the events that changed them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final
from urllib.parse import urlencode

from flask import url_for

from application.lookups import client_of
from domain.scopes import OFFLINE_ACCESS
from infrastructure.past.answers import Answer, Line, Past
from infrastructure.past.changes import topic_at
from infrastructure.past.holders import Asked, Holders
from infrastructure.past.moments import Connection
from infrastructure.past.questions import QUESTIONS, Asking
from projections.integrations.queries import integration, used_last
from web.pages import context
from web.pages.app_words import plain_name
from web.pages.explain_models import Condition, Explained, ExplainForm, Judged
from web.pages.formatting import counted, listed, sentence
from web.pages.models import Choice
from web.pages.people import row_of
from web.pages.scope_words import heading, in_order

_APPS: Final = 100
_ERASED: Final = "an erased member"


def address(query: Mapping[str, str | int], *, proof: bool = False) -> str:
    """The page that answers this, or its proof."""
    return f"{url_for('settings.explain.proof' if proof else 'settings.explain.show')}?{urlencode(query)}"


def why(member_id: str, client_stream: str, scopes: Iterable[str], **moment: str) -> str:
    """Why an app may do the first of these things for a person, now or at the `moment` (`position` or `at`); empty where there is nothing to ask."""
    scope = next((code for code in in_order(scopes) if code != OFFLINE_ACCESS), None)
    return address({"user": member_id, "client": client_stream, "scope": scope, **moment}) if scope else ""


def replay_url(position: int | None = None) -> str:
    """Replay, at a moment or now."""
    return url_for("settings.replay.show", position=position)


def answered(past: Past, asking: Asking) -> Answer:
    return QUESTIONS["explain"].answer(past, asking)


# ---- the form


def form(conn: Connection, fields: Mapping[str, str], asking: Asking | None) -> ExplainForm:
    """The fields as they were filled; a person who was found is shown by address."""
    account = context.account()
    row = row_of(conn, str(account.id), asking.member_id) if asking and asking.member_id else None
    known = {code: f"{heading(code)} ({code})" for code in in_order(code for code in account.scopes if code != OFFLINE_ACCESS)}
    at = asking.moment.at if asking and ("at" in fields or "date" in fields) else None
    return ExplainForm(
        user=(row.email or row.name if row else None) or fields.get("user", ""),
        clients=_choices(_apps(conn, fields.get("client", "")), fields.get("client", "")),
        scopes=_choices(known, fields.get("scope", "")),
        projects=_choices(dict(account.projects), fields.get("project", "")),
        position=fields.get("position", ""),
        date=f"{at:%Y-%m-%d}" if at else fields.get("date", ""),
        time=f"{at:%H:%M:%S}" if at else fields.get("time", ""),
    )


def _choices(known: Mapping[str, str], chosen: str) -> tuple[Choice, ...]:
    """What can be chosen, with what was chosen though nobody offers it (any more)."""
    offered = {**known, **({chosen: chosen[:60]} if chosen and chosen not in known else {})}
    return tuple(Choice(value=value, words=words, chosen=value == chosen) for value, words in offered.items())


def _apps(conn: Connection, chosen: str) -> dict[str, str]:
    """The apps that were used last, by client id; and the one that was chosen, as it was named."""
    offered = {client_id: plain_name(name) for client_id, name in used_last(conn, context.account_id(), _APPS)}
    app = integration(conn, context.account_id(), chosen) if chosen and chosen not in offered else None
    if app is not None:
        offered.pop(app.client_id, None)
        offered[chosen] = plain_name(app.name)
    return offered


# ---- the answer


def explained(conn: Connection, asking: Asking, query: Mapping[str, str]) -> Explained:
    """The answer in full."""
    past, account_id = context.past(conn), context.account_id()
    answer = answered(past, asking)
    sessions = _judged(past, answer)
    row = row_of(conn, account_id, str(asking.member_id))
    app = client_of(context.services(), account_id, str(asking.client_stream))
    position, project = asking.moment.position, asking.project_id
    return Explained(
        allowed=bool(sessions) and not sessions[0].failing, says=_says(sessions), person=(row.name or row.email if row else None) or _ERASED,
        member_id=str(asking.member_id), app=app.name, client_id=app.client_id, client_stream=str(app.id), scope=str(asking.scope),
        where=context.account().projects.get(project, project) if project else "", position=position, at=asking.moment.at,
        topic=topic_at(conn, account_id, position), sessions=sessions, made_by=_made_by(past, asking, sessions), proof_url=address(query, proof=True),
        replay_url=replay_url(position),
    )  # fmt: skip


def _made_by(past: Past, asking: Asking, sessions: Sequence[Judged]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The events without which the closest session would not have been allowed; nothing where it was refused."""
    asked = Asked(asking.member_id, asking.client_stream, asking.project_id, asking.scope)
    held = Holders(past.connection, past.mapper, past.keyring, past.account_id).at(asking.moment, asked)
    line = next((line for line in held if sessions and line.grant_id == sessions[0].grant_id), None)
    return () if line is None else tuple(line.because.items())


def _says(sessions: Sequence[Judged]) -> str:
    """The answer in a sentence, about the session that came closest."""
    if not sessions:
        return "This person had no session with this app."
    conditions = sessions[0].conditions
    if not sessions[0].failing:
        return f"Every condition held, the last since event {max(condition.position or 0 for condition in conditions):,}."
    failed = [f"“{c.words}” {f'since event {c.position:,}' if c.position else 'once its time had passed'}" for c in conditions if not c.holds]
    return f"{counted(len(failed), 'condition')} did not hold: {listed(failed)}."


def _judged(past: Past, answer: Answer) -> tuple[Judged, ...]:
    """By session, the one that came closest first."""
    topics = {told.position: told.topic for told in past.at(answer.cited)}
    groups = groupby(answer.lines, key=lambda line: str(line.facts["grant_id"]))
    return tuple(_session(grant_id, lines, topics) for grant_id, lines in groups)


def _session(grant_id: str, lines: Iterable[Line], topics: Mapping[int, str]) -> Judged:
    found = sorted((_condition(line, topics) for line in lines), key=lambda condition: condition.holds)
    return Judged(grant_id=grant_id, failing=sum(not condition.holds for condition in found), conditions=tuple(found))


def _condition(line: Line, topics: Mapping[int, str]) -> Condition:
    position = next(iter(line.because.get("changed by", ())), None)
    words, topic = sentence(line.facts["condition"]), topics.get(position, "") if position else ""
    return Condition(words=words, holds=line.facts["holds"], position=position, topic=topic, at=line.facts["since"])
