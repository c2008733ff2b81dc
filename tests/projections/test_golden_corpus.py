"""Upgrade proof: what every release wrote is read, upcast, folded and projected to what it meant then."""

from __future__ import annotations

import json

import pytest

from infrastructure.store.registry import topics
from tests.support.event_fixtures import frozen_events
from tests.support.golden_corpus import Corpus, corpora, outcome
from tests.support.postgres import Database


@pytest.mark.parametrize("corpus", corpora(), ids=lambda corpus: corpus.name)
def test_a_release_s_history_comes_to_what_it_came_to_then(database: Database, corpus: Corpus) -> None:
    """If the change is meant: a projection's new version, a new attribute: `python -m tests.support.golden_corpus --expected`, and read the diff."""
    found, expected = json.loads(json.dumps(outcome(corpus, database))), json.loads(corpus.outcome.read_text(encoding="utf-8"))
    for stream, state in expected["streams"].items():
        assert found["streams"][stream] == state
    for table, rows in expected["views"].items():
        assert found["views"][table] == rows, table
    assert found == expected


def test_no_topic_is_missing_from_the_corpus() -> None:
    """A new topic: `python -m tests.support.golden_corpus NAME` records the next history."""
    assert set(topics()) - {topic for corpus in corpora() for topic in corpus.topics} == set()


def test_every_version_of_a_topic_that_was_ever_written_is_kept_frozen() -> None:
    """The corpus holds whatever version was current; the frozen events hold each."""
    kept = {frozen.file for frozen in frozen_events()}
    for topic, known in topics().items():
        for version in range(1, getattr(known.event_class, "class_version", 1) + 1):
            assert f"{topic}.v{version}.json" in kept
