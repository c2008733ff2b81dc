"""`ledger adopt`: a restored copy is positioned in its old order, its tokens are void, and it is signed on, under a new name where entries are lost.

One transaction takes the copy over; what follows it (erasures, sessions, the event) is done again from `store_meta` if it was cut off.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from application.adopt_copy import end_sessions, record_adoption
from application.services import Origin
from domain.errors import Refused
from domain.ids import ledger_stream
from domain.ledger import Ledger
from infrastructure.bootstrap import EPOCH, App
from infrastructure.database import DECIDE, PROJECTOR, VIEWS
from infrastructure.erasure import replay
from infrastructure.ledger import store
from infrastructure.ledger.deposits.asking import ask, numbered
from infrastructure.ledger.kept import KeptCheckpoint
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.sealing import REFUSED, folder_of, name_of
from infrastructure.ledger.store import Connection, Signed
from infrastructure.ledger.tree import Edge
from infrastructure.ledger.verifier import Checkpoint
from infrastructure.store import era
from infrastructure.store.sequencer import Sequencer, lead, place_restored

_BATCH = 10_000
_LOOKS, _LOOK_S = 10, 0.1
_SERVERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = ANY(%s) AND pid <> pg_backend_pid()"
_COUNTS = """SELECT (SELECT count(*) FROM positions), (SELECT count(*) FROM events e WHERE NOT EXISTS (
    SELECT FROM positions p WHERE (p.originator_id, p.originator_version) = (e.originator_id, e.originator_version)))"""
_LIVING = """SELECT e.account_id::text, array_agg(e.originator_id::text) FROM events e WHERE e.topic = 'grant.code_issued' AND NOT EXISTS (
    SELECT FROM events x WHERE x.originator_id = e.originator_id
    AND x.topic IN ('grant.revoked', 'grant.reuse_detected', 'grant.code_replayed', 'grant.expired')) GROUP BY 1"""
_LAST_SIGNED = "SELECT origin FROM ledger_checkpoints ORDER BY at DESC, size DESC LIMIT 1"
_NOTIFICATION = "SELECT notification_id FROM events WHERE originator_id = %s ORDER BY originator_version DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Copy:
    """What this database is, and what is known outside it. `foreign` is a sentence, None where this cluster kept the order."""

    foreign: str | None
    unfinished: bool
    positioned: int
    unpositioned: int
    log: str
    signed: Signed | None
    outside: tuple[tuple[str, Checkpoint], ...]
    differing: tuple[tuple[str, Checkpoint], ...]
    """Of `outside` what this database was not signed up to, or otherwise."""
    silent: tuple[str, ...] = ()
    """A sentence for each place outside that could not be asked."""

    @property
    def to_adopt(self) -> bool:
        return self.foreign is not None or self.unfinished or bool(self.differing)


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was done: the facts of `ledger.adopted`, people erased again, sessions ended."""

    facts: dict[str, Any]
    erased: int
    sessions: int


def examine(app: App, connection: Connection) -> Copy:
    """Look, and change nothing."""
    row = connection.execute(_COUNTS).fetchone()
    assert row is not None
    last = connection.execute(_LAST_SIGNED).fetchone()
    log = str(last[0]) if last else name_of(app.settings, connection)
    signed, told = store.newest(connection, log), ask(app.settings, connection, log)
    outside = (*_kept(app), *told.checkpoints)
    return Copy(
        foreign=era.foreign_cluster(connection),
        unfinished=bool(era.meta(connection, era.UNFINISHED)),
        positioned=int(row[0]),
        unpositioned=int(row[1]),
        log=log,
        signed=signed,
        outside=outside,
        differing=tuple(each for each in outside if _differs(connection, each[1], log, signed)),
        silent=tuple(told.silent),
    )


def _differs(connection: Connection, found: Checkpoint, log: str, signed: Signed | None) -> bool:
    if found.origin != log or signed is None or found.size > signed.size:
        return True
    return store.tree(connection, found.size).root() != found.root


def _kept(app: App) -> Iterator[tuple[str, Checkpoint]]:
    """The newest checkpoint that is kept beside the database, with its place."""
    folder = folder_of(app.settings)
    kept = None if folder is None else KeptCheckpoint(folder).newest(app.settings.ledger_key)
    if kept is not None:
        yield f"kept in {folder}", kept


def adopt(app: App, connection: Connection, origin: Origin, *, end_all: bool) -> Adopted:
    """Take the copy over; `Refused` says what stands in the way. `end_all`: end every session, else refuse unless nothing signed is lost."""
    _see_all_stopped(connection)
    if not lead(connection):
        raise Refused("A projector leads here: stop it first.")
    if not era.meta(connection, era.UNFINISHED):
        _Takeover(app, connection, examine(app, connection), end_all=end_all).run()
    facts: dict[str, Any] = json.loads(era.meta(connection, era.UNFINISHED))
    erased = replay(connection)
    for account_id, _, _ in app.services.store.tables().accounts():
        record_adoption(app.services, account_id, facts, origin)
        _see_the_order(connection, account_id)
    ended = 0
    if facts["sessions_ended"]:
        ended = sum(end_sessions(app.services, account_id, grants, origin) for account_id, grants in connection.execute(_LIVING).fetchall())
    era.set_meta(connection, REFUSED, "")
    era.set_meta(connection, era.UNFINISHED, "")
    return Adopted(facts, erased, ended)


def _see_all_stopped(connection: Connection) -> None:
    """Whoever serves remembers what was before the restore. A connection that was just closed is gone within moments."""
    for last in (*(False,) * _LOOKS, True):
        row = connection.execute(_SERVERS, ([DECIDE, VIEWS, PROJECTOR],)).fetchone()
        if row is None or not row[0]:
            return
        if last:
            raise Refused(f"Stop every server and projector of this database first: {row[0]} of their connections are open.")
        time.sleep(_LOOK_S)


def _see_the_order(connection: Connection, account_id: str) -> None:
    """The numbers that events get were restored along with them, or nothing that is written from now on would be found."""
    row = connection.execute(_NOTIFICATION, (ledger_stream(account_id),)).fetchone()
    after = era.era(connection).after
    if row is not None and row[0] <= after:
        raise Refused(
            f"The sequence of the events' numbers was not restored. As the tables' owner run SELECT setval('events_notification_id_seq', {after}), "
            "then adopt again."
        )


class _Takeover:
    """The one transaction: order, epoch, the log's name."""

    def __init__(self, app: App, connection: Connection, copy: Copy, *, end_all: bool) -> None:
        self._app, self._connection, self._copy, self._end_all = app, connection, copy, end_all

    def run(self) -> None:
        new = era.boundary(self._connection) if self._copy.foreign else None
        while new is None and Sequencer(self._connection).sequence():
            pass
        with self._connection.transaction():
            placed = place_restored(self._connection, new) if new else 0
            good = self._good()
            ahead = self._ahead(good)
            if not self._end_all and (ahead is not None or not self._known_whole(good)):
                raise Refused("Sessions may go on only if the newest checkpoint that is kept outside shows that nothing which was signed is lost.")
            log = self._next_name(ahead) if ahead is not None or not self._known_whole(good) else self._copy.log
            if new:
                era.begin(self._connection, new)
            if self._end_all:
                self._new_epoch()
            if log != self._copy.log:
                self._open(log, good)
            self._say(log, good, ahead, placed)
        folder = folder_of(self._app.settings)
        if ahead is not None and folder is not None:
            KeptCheckpoint(folder).set_aside()

    def _good(self) -> Signed | None:
        """The newest checkpoint whose root these events give: the database's own, or one from outside that was signed over restored events."""
        last = self._copy.signed
        edge = store.edge(self._connection, last.size if last else 0)
        if last is not None and edge.root() != last.root:
            raise Refused(
                f"The events of this copy don't give the root of its own checkpoint of {last.size} entries: it is no true copy. Restore another one."
            )
        for _, found in sorted(self._copy.outside, key=lambda each: each[1].size):
            if found.origin == self._copy.log and (last is None or found.size > last.size) and self._grown(edge, found.size):
                root = edge.root()
                if root == found.root:
                    store.keep(self._connection, found.origin, edge, root, found.note)
                    edge.full.clear()
                    last = Signed(found.size, root, found.note, None)
        return last

    def _grown(self, edge: Edge, size: int) -> bool:
        """Whether there are as many events; the edge holds them then."""
        while edge.size < size and (batch := store.leaves(self._connection, edge.size, min(_BATCH, size - edge.size))):
            for leaf in batch:
                edge.push(leaf.hash)
        return edge.size == size

    def _ahead(self, good: Signed | None) -> Checkpoint | None:
        """The largest checkpoint from outside that this copy does not reach."""
        beyond = [c for _, c in self._copy.differing if _differs(self._connection, c, self._copy.log, good)]
        return max(beyond, key=lambda c: (numbered(c.origin)[1], c.size), default=None)

    def _known_whole(self, good: Signed | None) -> bool:
        """Whether a checkpoint outside is the very one that this copy was signed up to."""
        return good is not None and any((c.origin, c.size, c.root) == (self._copy.log, good.size, good.root) for _, c in self._copy.outside)

    def _next_name(self, ahead: Checkpoint | None) -> str:
        used = [self._copy.log] if ahead is None else [self._copy.log, ahead.origin]
        fixed = self._app.settings.ledger_origin_override
        base, last = max(map(numbered, used), key=lambda each: each[1])
        if fixed is None:
            return f"{base}/{last + 1}"
        if fixed in used or store.newest(self._connection, fixed):
            raise Refused(f"GRANTBOOK_LEDGER_ORIGIN names a log that is given up here: set it to {base}/{last + 1} everywhere, then adopt again.")
        return fixed

    def _new_epoch(self) -> None:
        """Larger than any that another copy of this store was given: tokens of before open nothing."""
        before = int(era.meta(self._connection, EPOCH) or "1")
        era.set_meta(self._connection, EPOCH, str(max(before + 1, int(self._app.services.clock().timestamp()))))

    def _open(self, log: str, good: Signed | None) -> None:
        """The new log begins with all that the old one is known to have held, signed anew."""
        era.set_meta(self._connection, store.ORIGIN, log)
        if good is not None:
            note = LogSigner(log, self._app.settings.ledger_key).checkpoint(good.size, good.root)
            store.keep(self._connection, log, store.edge(self._connection, good.size), good.root, note)

    def _say(self, log: str, good: Signed | None, ahead: Checkpoint | None, placed: int) -> None:
        last = self._copy.positioned + placed
        facts = {
            "number": 1 + max((self._adopted(account_id) for account_id, _, _ in self._app.services.store.tables().accounts()), default=0),
            "log": log,
            "old_log": self._copy.log,
            "size": good.size if good else 0,
            "checkpoint": good.note if good else "",
            "lost": max(ahead.size - last, 0) if ahead else 0,
            "ahead": ahead.note if ahead else "",
            "placed": placed,
            "sessions_ended": self._end_all,
        }
        era.set_meta(self._connection, era.UNFINISHED, json.dumps(facts))

    def _adopted(self, account_id: str) -> int:
        found = self._app.services.store.load(Ledger, ledger_stream(account_id))
        return 0 if found is None else found.adopted
