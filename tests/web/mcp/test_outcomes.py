"""Events are read whatever the pieces they come in, and outcomes from the response alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from web.mcp.outcomes import EventReader, Settlement, judge_answer

STREAM = b': comment\r\nevent: message\r\ndata: {"a":\r\ndata: 1}\r\n\r\nid: 7\ndata: two\n\n\n:\n\rdata:three\r\rdata: unfinished\n'
EVENTS = [b'{"a":\n1}', b"two", b"three"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
@example([39, 39])
def test_the_same_events_come_out_of_any_pieces(cuts: list[int]) -> None:
    reader, found = EventReader(), list[bytes]()
    bounds = [0, *sorted(cuts), len(STREAM)]
    for begin, end in pairwise(bounds):
        found.extend(reader.feed(STREAM[begin:end]))
    assert found == EVENTS


def test_a_comment_fits_only_between_lines() -> None:
    reader = EventReader()
    assert reader.between_lines
    for piece, fits in ((b"data", False), (b": x\r", False), (b"\n", True), (b"\n", True)):
        reader.feed(piece)
        assert reader.between_lines == fits


def test_an_endless_event_is_passed_over_and_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.mcp.outcomes.LONGEST_EVENT", 10)
    reader = EventReader()
    assert reader.feed(b"data: 123456789012") == []
    assert reader.feed(b"34567\ndata: 12345678901\n\n") == []
    assert reader.feed(b"data: 1\n\n") == [b"1"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"id": 1, "result": {}}, ("ok", None)), ({"id": 1, "result": {"isError": True}}, ("failed", "tool error")),
        ({"id": 1, "error": {"code": -1}}, ("failed", "error -1")), ({"id": 1, "error": "x"}, ("failed", "error")),
        ({"method": "notifications/progress"}, None), ({"method": "elicitation/create", "id": 1, "result": {}}, None), ([], None), (None, None),
    ],
)  # fmt: skip
def test_only_a_response_tells_the_outcome(answer: object, outcome: object) -> None:
    assert judge_answer(answer) == outcome


def test_a_call_is_recorded_once() -> None:
    told: list[tuple[str, str | None]] = []
    settlement = Settlement(lambda *said: told.append(said))
    settlement.settle("ok")
    settlement.settle("failed", "later")
    assert told == [("ok", None)]
    assert not settlement.open
