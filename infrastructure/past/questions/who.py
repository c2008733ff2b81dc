"""Who could do what, where, through which app, by which consent, until when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from infrastructure.past.answers import Answer, Facts, Line, Past, counted
from infrastructure.past.holders import Asked, Held, Holders
from infrastructure.past.questions.asked import Asking
from infrastructure.store.reader import PositionedEvent

_TEXTS = "SELECT encode(sha256, 'hex'), language, body FROM consent_texts WHERE sha256 = ANY(%s)"


def who(past: Past, asking: Asking) -> Answer:
    """One line for each person, app, scope and session that held; `consent` says what the person was shown, and from where they answered."""
    asked = Asked(asking.member_id, asking.client_stream, asking.project_id, asking.scope)
    held = Holders(past.connection, past.mapper, past.keyring, past.account_id).at(asking.moment, asked)
    consents = _Consents(past, held)
    lines = tuple(Line(_facts(line, consents), line.because) for line in held)
    people = len({line.member_id for line in held})
    says = (
        f"{counted(people, 'person', 'people')} could, as {counted(len(held), 'line')} show{'s' if len(held) == 1 else ''}."
        if held
        else "Nobody could."
    )
    return Answer("who", asking.moment.position, asking.moment.at, says, lines)


def _facts(line: Held, consents: _Consents) -> Facts:
    return {
        "person": line.member_name, "member_id": line.member_id, "app": line.client_name, "client_id": line.client_id, "scope": line.scope,
        "projects": None if line.project_names is None else list(line.project_names), "grant_id": line.grant_id, "until": line.until,
        "consent": consents.behind(line),
    }  # fmt: skip


class _Consents:
    """The consents that lines stand on: what was shown, in which language, from which address it was answered."""

    def __init__(self, past: Past, held: list[Held]) -> None:
        self._past = past
        given = {told.position: told for told in past.at(p for line in held for p in line.because["consent"])}
        hashes = sorted({bytes.fromhex(told.event.text) for told in given.values() if told.topic == "consent.given"})
        self._texts = {row[0]: row[1:] for row in past.connection.execute(_TEXTS, (hashes,)).fetchall()}
        past.keyring.prefetch(told.event.address.kid for told in given.values() if getattr(told.event, "address", None) is not None)
        self._facts = {place: self._told(told) for place, told in given.items() if told.topic == "consent.given"}

    def behind(self, line: Held) -> list[Facts]:
        return [self._facts[place] for place in line.because["consent"] if place in self._facts]

    def _told(self, told: PositionedEvent) -> Facts:
        event: Any = told.event
        language, text = self._texts.get(event.text, (None, None))
        at: datetime = told.at
        return {
            "event": told.position, "at": at, "text_sha256": event.text, "language": language, "text": text,
            "address": self._past.opened(event.address, told), "approved": list(event.approved), "denied": list(event.denied),
        }  # fmt: skip
