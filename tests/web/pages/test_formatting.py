from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.needs import node
from web.pages import environment, formatting

NOW = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
TIME_JS = Path(environment.__file__).parent.parent / "static" / "time.js"

RELATIVE = [
    (timedelta(seconds=0), "1 s ago"),
    (timedelta(seconds=40), "40 s ago"),
    (timedelta(minutes=14), "14 min ago"),
    (timedelta(hours=2), "2 h ago"),
    (timedelta(hours=11, minutes=59), "11 h ago"),
    (timedelta(hours=13), "13 h ago"),
    (timedelta(hours=14), "yesterday"),
    (timedelta(hours=37), "yesterday"),
    (timedelta(days=6), "6 days ago"),
]
LEFT = [
    (timedelta(days=6, hours=23), "in 6 d 23 h"),
    (timedelta(days=2), "in 2 d"),
    (timedelta(hours=8, minutes=35), "in 8 h 35 min"),
    (timedelta(minutes=3, seconds=59), "in 3 min"),
    (timedelta(seconds=9), "in 9 s"),
    (timedelta(0), "ended"),
    (timedelta(seconds=-5), "ended"),
]


@pytest.mark.parametrize(("past", "words"), RELATIVE)
def test_a_moment_within_seven_days_is_told_by_how_long_ago_it_was(past: timedelta, words: str) -> None:
    assert formatting.relative(NOW - past, NOW) == words


def test_a_moment_seven_days_ago_is_told_by_its_date() -> None:
    assert formatting.relative(NOW - timedelta(days=7), NOW) == "17 Nov 2026"


@pytest.mark.parametrize(("ahead", "words"), LEFT)
def test_a_countdown_names_its_two_largest_units(ahead: timedelta, words: str) -> None:
    assert formatting.left(NOW + ahead, NOW) == words


def test_absolute_times_are_utc_in_full_whatever_their_zone() -> None:
    moment = datetime.fromisoformat("2026-11-24T14:51:08.412+02:00")
    assert formatting.absolute(moment) == "24 November 2026, 12:51:08 UTC"
    assert formatting.machine_time(moment) == "2026-11-24T12:51:08Z"
    assert formatting.to_the_millisecond(moment) == "24 November 2026, 12:51:08.412 UTC"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 seconds"), (1, "1 second"), (90, "1 minute 30 seconds"), (600, "10 minutes"), (7 * 86400, "7 days"), (90061, "1 day 1 hour")],
)
def test_lengths_are_written_out(seconds: int, words: str) -> None:
    assert formatting.duration(seconds) == words
    assert formatting.duration(timedelta(seconds=seconds)) == words


def test_numbers_have_thousands_separators_and_nouns_their_plural() -> None:
    assert formatting.counted(1, "session") == "1 session"
    assert formatting.counted(12482, "session") == "12,482 sessions"
    assert formatting.counted(23, "person", "people") == "23 people"
    assert formatting.listed(("a", "b", "c")) == "a, b and c"


def test_the_lag_line_tells_tenths_only_while_they_matter() -> None:
    assert [formatting.ago(s) for s in (0.24, 14.2, 360, 7300)] == ["0.2 s ago", "14 s ago", "6 min ago", "2 h ago"]


def test_the_share_that_is_left_stays_between_nothing_and_all() -> None:
    end = NOW + timedelta(days=7)
    assert formatting.share(NOW, NOW, end) == 1
    assert formatting.share(end + timedelta(days=1), NOW, end) == 0
    assert formatting.share(NOW + timedelta(days=3.5), NOW, end) == 0.5


@pytest.mark.node
def test_the_browser_refreshes_times_in_the_same_words(tmp_path: Path) -> None:
    source = TIME_JS.read_text(encoding="utf-8").split("function refresh()", maxsplit=1)[0]
    cases = {"relative": [(p.total_seconds(), w) for p, w in RELATIVE if p], "left": [(a.total_seconds(), w) for a, w in LEFT]}
    script = tmp_path / "words.mjs"
    script.write_text(
        f"""{source}
const now = {NOW.timestamp() * 1000}, cases = {json.dumps(cases)};
console.log(JSON.stringify([cases.relative.map(([s]) => relative(now - s * 1000, now)), cases.left.map(([s]) => left(now + s * 1000, now))]));""",
        encoding="utf-8",
    )
    program = node()
    assert program
    said = subprocess.run([program, str(script)], capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(said.stdout) == [[w for p, w in RELATIVE if p], [w for _, w in LEFT]]
