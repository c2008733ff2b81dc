"""The end of many sessions told together: the same as from every event of each, without reading every rotation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from application import manage_members, manage_policies, revoke_grant
from infrastructure.past.answers import Line, Past
from infrastructure.store.mapper import EventMapper
from tests.infrastructure.past.questions_history import History
from tests.support.oauth_world import CLI, oauth_world
from tests.support.postgres import Database

ISSUING = ("grant.code_exchanged", "grant.tokens_refreshed", "grant.refresh_replayed")
PEOPLE = 4


@pytest.fixture
def history(database: Database) -> Iterator[History]:
    """Four people's sessions with many rotations, one of them once more in its grace, some under a shorter lifetime; two are ended by an admin, two
    by leaving."""
    with oauth_world(database) as world, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        made = History(world, connection)
        services, account_id = world.services, world.account_id
        client = made.clients["app"] = world.client_id(client_name="App")
        for name in map(str, range(PEOPLE)):
            made.members[name] = world.member("Analyst", ["Sales"])
            tokens = made.session(name, "app", name, scopes="projects:query", keep_alive=True)
            for turn in range(8):
                if turn in (3, 6):
                    lifetime = "10m" if turn == 6 else "2m"
                    manage_policies.change_policy(services, account_id, {"access_token_ttl": lifetime}, origin=CLI)
                world.later(minutes=turn % 3)
                spent, tokens = tokens, world.refresh(client, tokens["refresh_token"]).get_json()
                if turn == 0:
                    world.refresh(client, spent["refresh_token"])
            made.mark(f"refreshed {name}")
        for name in ("0", "1"):
            revoke_grant.revoke(services, account_id, made.grants[name], by="admin", actor_id=world.admin_id, origin=CLI)
            made.mark(f"revoked {name}")
        for name in ("2", "3"):
            manage_members.deactivate(services, account_id, UUID(made.members[name]), origin=CLI)
            made.mark(f"left {name}")
        yield made


def test_it_is_told_as_from_every_event(history: History) -> None:
    client = history.clients["app"]
    for moment in ("refreshed 0", "refreshed 3", "revoked 0", "left 2", "left 3"):
        answer = history.ask("ending", client=client, at=moment)
        assert answer.lines
        for line in answer.lines:
            assert_as_from_every_event(history, line, answer.position)
    assert [line.facts["reason"] for line in answer.lines] == ["member_deactivated", "member_deactivated", "revoked", "revoked"]


def assert_as_from_every_event(history: History, line: Line, until: int) -> None:
    """What `ending` says of a session, worked out from all its tokens; none was given after an end here."""
    mapper, keyring = history.world.app.store.mapper, history.world.app.keyring
    tokens = Past(history.connection, mapper, keyring, history.world.account_id).events([UUID(line.facts["grant_id"])], until, ISSUING)
    assert (line.because["began"], line.because["last token"]) == ((tokens[0].position,), (tokens[-1].position,))
    if line.facts["ended"]:
        assert line.facts["last_access_token_died"] == last_death(tokens, line.facts["at"])
        assert line.facts["issued_after"] == []


def last_death(tokens: list[Any], end: datetime) -> datetime:
    """A predecessor that came again may have done so until its grace was over (30 s), or until the end; such a token lived ten minutes at most."""
    rotated = {told.event.generation: told.at for told in tokens if told.topic != "grant.refresh_replayed"}
    died = [told.at + timedelta(seconds=told.event.access_token_ttl) for told in tokens if told.topic != "grant.refresh_replayed"]
    again = [told for told in tokens if told.topic == "grant.refresh_replayed"]
    assert again
    grace = [min(max(told.at, rotated[told.event.generation] + timedelta(seconds=30)), end) for told in again]
    found: datetime = max(*died, *(at + timedelta(minutes=10) for at in grace))
    return found


def test_what_is_read_does_not_grow_with_rotations_nor_statements_with_sessions(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    read, decode = Counter[str](), EventMapper.decode

    def counted(self: EventMapper, stream_id: Any, version: int, topic: str, state: bytes) -> Any:
        read[topic] += 1
        return decode(self, stream_id, version, topic, state)

    monkeypatch.setattr(EventMapper, "decode", counted)
    sent = Counter[int]()
    for number, given in enumerate(({"grant": history.grants["0"]}, {"client": history.clients["app"]})):
        read.clear()
        sent[number] = statements(history, **given)
    assert sent[0] == sent[1]
    assert read["grant.tokens_refreshed"] <= PEOPLE * 5, "the last, the one that came again, and what the states stand on"


def statements(history: History, **given: Any) -> int:
    """How many statements the answer takes."""
    sent = 0

    class Counting(psycopg.Cursor[Any]):
        def execute(self, *args: Any, **kwargs: Any) -> Any:
            nonlocal sent
            sent += 1
            return super().execute(*args, **kwargs)

    factory, history.connection.cursor_factory = history.connection.cursor_factory, Counting
    try:
        assert history.ask("ending", **given).lines
    finally:
        history.connection.cursor_factory = factory
    return sent


def test_tokens_that_were_given_after_an_end_are_all_told(history: History) -> None:
    """As a record would show them that another program wrote, the write side refuses such: the person left before the last two rotations. The last
    three before had a shorter lifetime, so an earlier token died after theirs."""
    grant, early = history.grants["3"], history.place("account.session_policy_changed")
    refreshed = [position for (position,) in history.connection.execute(REFRESHED, (grant,))]
    assert refreshed[-3] < early < refreshed[-2]
    with psycopg.connect(history.world.database.superuser_dsn, autocommit=True) as owner:
        owner.execute("ALTER TABLE positions DISABLE TRIGGER ALL")
        places = {"early": early, "late": history.place("member.deactivated")}
        owner.execute("UPDATE positions SET position = position + 1000000 WHERE position IN (%(early)s, %(late)s)", places)
        owner.execute("UPDATE positions SET position = %(early)s + %(late)s + 1000000 - position WHERE position > 1000000", places)
        owner.execute("UPDATE views.sessions SET ended_position = %s WHERE grant_id = %s", (early, grant))
    answer = history.ask("ending", grant=grant)
    (line,) = answer.lines
    assert answer.says == "1 of 1 session ended; in 1 of them tokens were given after the end."
    assert line.facts["issued_after"] == refreshed[-2:]
    assert line.because == {"began": (history.place("grant.code_exchanged", grant),), "last token": (refreshed[-1],), "end": (early,)}
    mapper = history.world.app.store.mapper
    before = Past(history.connection, mapper, history.world.app.keyring, history.world.account_id).events([UUID(grant)], early, ISSUING)
    assert line.facts["last_access_token_died"] == last_death(before, line.facts["at"])


REFRESHED = """SELECT position FROM positions JOIN events USING (originator_id, originator_version)
WHERE topic = 'grant.tokens_refreshed' AND originator_id = %s ORDER BY position"""
