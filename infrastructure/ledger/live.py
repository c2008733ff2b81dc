"""`ledger verify` of the live store: the tree, every checkpoint that was signed, and every account's sums, from the leaf hashes as they stand."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from domain.ids import ledger_stream
from domain.ledger import NO_SUM, Sum
from infrastructure.ledger import store
from infrastructure.ledger.notes import LogSigner, signed_by
from infrastructure.ledger.store import Connection, Leaf, Signed
from infrastructure.ledger.tree import Edge
from infrastructure.ledger.verifier import SUM_TOPIC
from infrastructure.store.verify import Finding

_BATCH = 5_000
_STATES = """SELECT originator_id, originator_version, topic, state FROM events
WHERE topic = 'ledger.summed' AND originator_id = ANY(%s) AND originator_version BETWEEN %s AND %s"""


def findings(connection: Connection, signer: LogSigner, progress: Callable[[int], None] | None = None) -> Iterator[Finding]:
    """Everything that the signed past says otherwise, under whatever name it was signed. `progress` is called with the size after each batch."""
    logs = [_Signed(connection, signer.named(origin)) for origin in store.origins(connection)]
    edge, sums = Edge(), _Sums(connection)
    while batch := store.leaves(connection, edge.size, _BATCH):
        states = sums.states(batch)
        for leaf in batch:
            edge.push(leaf.hash)
            yield from sums.take(leaf, states)
            for signed in logs:
                yield from signed.at(edge)
        yield from _nodes(connection, edge)
        if progress is not None:
            progress(edge.size)
    for signed in logs:
        yield from signed.beyond(edge.size)


def _nodes(connection: Connection, edge: Edge) -> Iterator[Finding]:
    """Stored hashes of full tiles; those that are not sealed yet are not stored."""
    for level, index, found in edge.full:
        stored = store.tile_hash(connection, level, index)
        if stored is not None and stored != found:
            yield Finding("different", (index + 1) << (8 * level), None, f"The stored hash of the full tile {index} of level {level - 1} is wrong.")
    edge.full.clear()


class _Signed:
    """The checkpoints in order."""

    def __init__(self, connection: Connection, signer: LogSigner) -> None:
        self._signer = signer
        self._found = iter(store.oldest_first(connection, signer.origin))
        self._next: Signed | None = next(self._found, None)

    def at(self, edge: Edge) -> Iterator[Finding]:
        """Whether the checkpoint of this size, if there is one, was signed over this tree."""
        while self._next is not None and self._next.size <= edge.size:
            found, self._next = self._next, next(self._found, None)
            if found.size == edge.size and edge.root() != found.root:
                yield Finding("checkpoint", found.size, None, f"The events up to {found.size} don't give the root of the checkpoint signed then.")
            yield from self._note(found)

    def beyond(self, size: int) -> Iterator[Finding]:
        """Checkpoints over more than there is."""
        while self._next is not None:
            yield Finding("checkpoint", self._next.size, None, f"A checkpoint of {self._next.size} entries was signed, and there are only {size}.")
            self._next = next(self._found, None)

    def _note(self, found: Signed) -> Iterator[Finding]:
        told = signed_by(found.note, self._signer)
        if told is not None and (told.size, told.root) == (found.size, found.root):
            return
        yield Finding("checkpoint", found.size, None, f"The checkpoint of {found.size} entries is signed by no key of GRANTBOOK_LEDGER_KEY.")


class _Sums:
    """The running sums, compared with each that was recorded."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._history: dict[str, deque[tuple[int, Sum]]] = {}
        """Per account the running sum after each event since the last one that was compared."""

    def states(self, batch: list[Leaf]) -> dict[tuple[object, int], _Said | None]:
        """What the sums among these events say; None for one that can't be read."""
        ours = [leaf for leaf in batch if leaf.stream_id == ledger_stream(leaf.account_id)]
        topics = store.topics_of(self._connection, ours) if ours else {}
        wanted = [leaf for leaf in ours if topics.get((leaf.stream_id, leaf.version)) == SUM_TOPIC]
        rows = self._connection.execute(
            _STATES, ([w.stream_id for w in wanted], min((w.version for w in wanted), default=0), max((w.version for w in wanted), default=0))
        )
        return {(stream, version): _said(bytes(state)) for stream, version, _, state in rows}

    def take(self, leaf: Leaf, states: dict[tuple[object, int], _Said | None]) -> Iterator[Finding]:
        history = self._history.setdefault(leaf.account_id, deque([(0, NO_SUM)]))
        if (leaf.stream_id, leaf.version) not in states:
            history.append((leaf.position, history[-1][1].with_event(leaf.hash, leaf.position)))
            return
        said, event = states[leaf.stream_id, leaf.version], f"{leaf.stream_id}:{leaf.version}"
        if said is None:
            yield Finding("sum", leaf.position, event, f"The sum at event {leaf.position} can't be read.")
            return
        while len(history) > 1 and history[1][0] <= said.position:
            history.popleft()
        found = history[0][1]
        if (found.count, found.chain.hex()) != (said.count, said.acc):
            yield Finding("sum", leaf.position, event, f"The sum at event {leaf.position} is not that of the events up to {said.position}.")


@dataclass(frozen=True, slots=True)
class _Said:
    """What a recorded sum says."""

    position: int
    count: int
    acc: str


def _said(state: bytes) -> _Said | None:
    try:
        told = json.loads(state)
        return _Said(int(told["position"]), told["count"], told["acc"])
    except (ValueError, KeyError, TypeError):
        return None
