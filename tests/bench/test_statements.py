from __future__ import annotations

from bench.statements import counted

LOG = """\
gb|grantbook-decide|11|LOG:  execute rotation_1: INSERT INTO events (originator_id)
	SELECT 1
gb|grantbook-projector|12|LOG:  statement: BEGIN
gb|grantbook-projector|12|LOG:  execute <unnamed>: INSERT INTO positions SELECT 1
gb|grantbook-decide|11|LOG:  execute tail_5: SELECT originator_id FROM events UNION ALL
gb|grantbook-decide|13|LOG:  statement: BEGIN
gb|grantbook-decide|13|LOG:  execute append_1_1: INSERT INTO events (originator_id)
gb|grantbook-decide|11|LOG:  execute tail_1: SELECT originator_id FROM events
gb|grantbook-decide|13|LOG:  execute _pg3_0: UPDATE authorization_requests SET used_at = $1
gb|grantbook-decide|13|LOG:  statement: COMMIT
gb|grantbook-decide|13|LOG:  statement: BEGIN READ ONLY
gb|grantbook-decide|13|LOG:  execute _pg3_1: SELECT updated_at FROM projections
gb|grantbook-decide|13|LOG:  statement: COMMIT
"""


def test_only_the_deciding_connections_are_counted() -> None:
    found = counted(LOG.splitlines(), 1)
    assert (found.data, found.control) == (6, 4)


def test_a_transaction_counts_as_writing_if_one_of_its_statements_does() -> None:
    assert counted(LOG.splitlines(), 1).writing == 2


def test_the_counts_are_those_of_one_request() -> None:
    found = counted(LOG.splitlines(), 4)
    assert (found.data, found.writing, found.kinds["rotation_1"]) == (1.5, 0.5, 1)


def test_nothing_sent_is_no_division_by_zero() -> None:
    assert counted([], 0).data == 0
