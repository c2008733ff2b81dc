"""Sealing: the leading projector grows the tree over what was positioned, sums up each account, and signs a checkpoint (EVIDENCE.md 1)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg

from domain.ids import ledger_stream
from domain.ledger import Sum
from infrastructure.ledger import store
from infrastructure.ledger.deposits import record
from infrastructure.ledger.kept import KeptCheckpoint, SealRefused
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.store import Leaf
from infrastructure.ledger.tree import Edge
from infrastructure.ledger.verifier import SUM_TOPIC
from infrastructure.store.sequencer import LeadershipLost

MOST_AT_ONCE = 10_000
"""Entries of one round: the leader's connection must not fall silent for long."""
ROUNDS, ROUND_S = 20, 0.02
"""How often, and seconds apart, to look for the sums that were recorded: whoever began to write before them has to end first."""

Connection = psycopg.Connection[Any]


class Sums:
    """The running sum of each account, begun at what its stream says."""

    def __init__(self, recorded: Callable[[str], Sum]) -> None:
        self._recorded = recorded
        self._sums: dict[str, Sum] = {}
        self._streams: dict[object, str] = {}
        self.behind: set[str] = set()
        self.awaited: set[str] = set()
        """Accounts whose sum was recorded and has no position yet."""

    def take(self, connection: Connection, found: list[Leaf]) -> int:
        """Add these leaves, the next ones in order; how many of them are more than sums."""
        for account_id in {leaf.account_id for leaf in found} - self._sums.keys():
            self._begin(connection, account_id, found[0].position - 1)
        ours = [leaf for leaf in found if leaf.stream_id in self._streams]
        topics = store.topics_of(connection, ours) if ours else {}
        counted = [leaf for leaf in found if topics.get((leaf.stream_id, leaf.version)) != SUM_TOPIC]
        for leaf in counted:
            self._add(leaf)
        if len(counted) < len(found):
            self.awaited -= {leaf.account_id for leaf in ours}
        return len(counted)

    def _begin(self, connection: Connection, account_id: str, to: int) -> None:
        """What the account's last sum says, and what came after it up to where we are."""
        self._streams[ledger_stream(account_id)] = account_id
        self._sums[account_id] = self._recorded(account_id)
        earlier = store.leaves_of(connection, account_id, self._sums[account_id].position, to)
        if earlier:
            self.take(connection, earlier)

    def _add(self, leaf: Leaf) -> None:
        found = self._sums[leaf.account_id]
        if leaf.position > found.position:  # else it was summed before a crash
            self._sums[leaf.account_id] = found.with_event(leaf.hash, leaf.position)
            self.behind.add(leaf.account_id)

    def due(self, position: int) -> list[tuple[str, Sum]]:
        """The sums to be recorded, all up to one position."""
        return [(account_id, replace(self._sums[account_id], position=position)) for account_id in sorted(self.behind)]

    def recorded(self, account_id: str, found: Sum) -> None:
        self._sums[account_id] = found
        self.behind.discard(account_id)
        self.awaited.add(account_id)


class Sealer:
    """One per term of leadership, on the leader's connection. `recorded` gives an account's last sum, `record` appends one."""

    def __init__(self, signer: LogSigner, kept: KeptCheckpoint | None, recorded: Callable[[str], Sum], record: Callable[[str, Sum], object]) -> None:
        self._signer, self._kept, self._record = signer, kept, record
        self._sums = Sums(recorded)
        self._edge: Edge | None = None
        self._unsigned = 0

    def seal(self, connection: Connection, sequence: Callable[[], object]) -> int | None:
        """Sign what was positioned since the last checkpoint; its size, or None where nothing happened but sums.

        `sequence` positions the sums that were appended. `SealRefused` where the past is not what was signed.
        """
        edge = self._edge or self._begun(connection)
        self._grow(connection, edge)
        if not self._unsigned and not self._sums.behind:
            return None
        for account_id, found in self._sums.due(edge.size):
            self._record(account_id, found)
            self._sums.recorded(account_id, found)
        for _ in range(ROUNDS):
            sequence()
            self._grow(connection, edge)
            if not self._sums.awaited:
                break
            time.sleep(ROUND_S)
        root = edge.root()
        note = self._signer.checkpoint(edge.size, root)
        if not store.keep(connection, self._signer.origin, edge, root, note):
            raise LeadershipLost("Another process has signed a checkpoint of this size or a larger one.")
        edge.full.clear()
        self._unsigned = 0
        if self._kept is not None:
            self._kept.write(note)
        return edge.size

    def _grow(self, connection: Connection, edge: Edge) -> None:
        """Take the next entries."""
        found = store.leaves(connection, edge.size, MOST_AT_ONCE)
        if found:
            self._unsigned += self._sums.take(connection, found)
            for leaf in found:
                edge.push(leaf.hash)

    def _begun(self, connection: Connection) -> Edge:
        """Where the last checkpoint stopped, if the database still holds what it was signed over."""
        last = store.newest(connection, self._signer.origin)
        if self._kept is not None:
            self._kept.check(connection, last, self._signer)
        record.check(connection, last, self._signer.origin)
        edge = store.edge(connection, last.size if last else 0)
        if last is not None and edge.root() != last.root:
            raise SealRefused(
                f"The events of this database don't give the root of its checkpoint of {last.size} entries: the past was changed.",
                "Nothing more is signed; run `grantbook ledger verify` to see what differs, and restore a true copy.",
            )
        self._edge = edge
        return edge
