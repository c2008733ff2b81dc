from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from domain.member import Member
from infrastructure.store.errors import UnknownTopic, UnreadableEvent
from infrastructure.store.facts import Facts
from infrastructure.store.keyring import Keyring
from infrastructure.store.mapper import EventMapper
from infrastructure.store.registry import topics
from tests.support.event_fixtures import Frozen, file_for, frozen_events, sample

NO_KEYRING = cast("Keyring", None)


@pytest.fixture(scope="module")
def mapper() -> EventMapper:
    return EventMapper(NO_KEYRING)


def test_every_topic_and_version_has_a_frozen_event() -> None:
    expected = {file_for(t.event_class) for t in topics().values()}
    assert expected <= {frozen.file for frozen in frozen_events()}


@pytest.mark.parametrize("frozen", frozen_events(), ids=lambda f: f.file)
def test_a_frozen_event_is_read_and_written_again_to_the_byte_if_its_class_is_still_the_same(mapper: EventMapper, frozen: Frozen) -> None:
    event = mapper.decode(frozen.stream_id, frozen.version, frozen.topic, frozen.state)
    assert type(event) is topics()[frozen.topic].event_class
    if frozen.file == file_for(type(event)):
        assert mapper.encode(event) == (frozen.topic, frozen.state)


@pytest.mark.parametrize("name", sorted(topics()))
def test_an_event_reads_back_equal(mapper: EventMapper, name: str) -> None:
    event = sample(topics()[name].event_class)
    topic, state = mapper.encode(event)
    back = mapper.decode(event.originator_id, event.originator_version, topic, state)
    assert mapper.encode(back) == (topic, state)
    assert {k: v for k, v in vars(back).items() if k != "scopes"} == {k: v for k, v in vars(event).items() if k != "scopes"}


def test_the_time_stands_first_as_microseconds(mapper: EventMapper) -> None:
    event = sample(topics()["member.deactivated"].event_class)
    _, state = mapper.encode(event)
    assert state.startswith(b'{"timestamp":1795512615123456,')
    assert json.loads(state)["timestamp"] == 1795512615123456


def test_no_bool_or_id_is_anything_but_plain_json(mapper: EventMapper) -> None:
    for topic in topics().values():
        _, state = mapper.encode(sample(topic.event_class))
        assert isinstance(json.loads(state), dict)


CODES = {"sign_in.failed", "sign_in.ended"}


def test_a_reason_that_a_person_typed_is_sealed_in_every_event() -> None:
    told = {name: Facts(topic.event_class) for name, topic in topics().items()}
    assert {name for name, facts in told.items() if "reason" in facts.names and "reason" not in facts.personal} == CODES


def test_a_naive_time_is_refused(mapper: EventMapper) -> None:
    event = replace(sample(topics()["member.deactivated"].event_class), timestamp=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
    with pytest.raises(TypeError):
        mapper.encode(event)


def test_an_unknown_topic_is_refused_by_name(mapper: EventMapper) -> None:
    with pytest.raises(UnknownTopic, match=r"grant\.dreamt_of"):
        mapper.decode(uuid4(), 1, "grant.dreamt_of", b"{}")


def test_a_class_version_of_a_newer_release_is_refused(mapper: EventMapper) -> None:
    state = b'{"class_version":2,' + mapper.encode(sample(Member.Deactivated))[1][1:]
    with pytest.raises(UnknownTopic, match="newer release"):
        mapper.decode(uuid4(), 1, "member.deactivated", state)


def test_bytes_that_do_not_fit_the_class_are_named(mapper: EventMapper) -> None:
    stream = uuid4()
    with pytest.raises(UnreadableEvent, match=str(stream)):
        mapper.decode(stream, 1, "member.deactivated", b'{"timestamp":"yesterday"}')


def test_an_older_class_version_is_upcast_on_a_decoded_copy(mapper: EventMapper, monkeypatch: pytest.MonkeyPatch) -> None:
    state = mapper.encode(sample(Member.Deactivated))[1]

    class Newer(Member.Deactivated):
        TOPIC = "member.deactivated"
        class_version = 2
        ticket: str

        @staticmethod
        def upcast_v1_v2(values: dict[str, Any]) -> None:
            values["ticket"] = "none"

    own = EventMapper(NO_KEYRING)
    monkeypatch.setitem(own._by_topic, "member.deactivated", Facts(Newer))
    event = own.decode(UUID(int=1), 3, "member.deactivated", state)
    assert event.ticket == "none"
    assert event.timestamp == datetime(2026, 11, 24, 9, 30, 15, 123456, tzinfo=UTC)


def test_a_value_once_allowed_stays_readable(mapper: EventMapper) -> None:
    topic, state = mapper.encode(sample(topics()["grant.revoked"].event_class))
    event = mapper.decode(uuid4(), 1, topic, state.replace(b'"by":"member"', b'"by":"auditor"'))
    assert event.by == "auditor"


def test_what_is_personal_is_known_by_its_type() -> None:
    assert Facts(Member.Added).personal == ("address", "user_agent", "name", "email")


def test_no_topic_holds_a_newline() -> None:
    assert not [name for name in topics() if "\n" in name]
