"""How fast projections are: `python -m bench.projections [EVENTS]` prints events/s of the order and of each rebuild, and the lag under a writer.

The events are made by the domain and written as the product's own mapper encodes them, personal values sealed.
"""

from __future__ import annotations

import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg

from bench.lag import Lag
from bench.place import Place, free_port, temporary_folder
from domain.account import Account
from domain.activity import Activity
from domain.base import Context, Personal, Stream
from domain.client import Client
from domain.consent import Consent
from domain.grant import Grant
from domain.ids import account_stream, client_id_for, consent_stream
from domain.member import Member
from domain.roles import permissions_of
from domain.scopes import OFFLINE_ACCESS
from infrastructure.bootstrap import App
from infrastructure.clock import now
from infrastructure.database import connect
from infrastructure.projector_workers import writer_dsn
from infrastructure.store.sequencer import Sequencer
from projections.events import PersonalReader
from projections.preparing import prepare
from projections.rebuild import rebuild
from projections.registry import PROJECTIONS

MEMBERS, ROTATIONS, ACTIONS = 500, 12, 3
RATE, SECONDS = 1000, 20
MCP = "https://localhost/api/ai/v1/mcp"
SCOPES = ("account:read", "projects:query", "catalog:read")
LIFETIMES = {"access_token_ttl": 600, "idle_window": 604_800, "absolute_lifetime": 7_776_000, "code_ttl": 60}
_COPY = "COPY events (originator_id, originator_version, topic, state, account_id) FROM STDIN"
INSERT = "INSERT INTO events (originator_id, originator_version, topic, state, account_id) VALUES (%s, %s, %s, %s, %s)"

Row = tuple[Any, int, str, bytes, str]


@dataclass(frozen=True, slots=True)
class Session:
    """A grant that may be refreshed, its member and its client."""

    grant: Grant
    who: str
    app: str


@dataclass
class Source:
    """Events of one account as rows of the store: members, then registrations, consents, grants, rotations and actions without end."""

    app: App
    moment: datetime
    slug: str = field(default_factory=lambda: f"bench-{secrets.token_hex(4)}")
    members: list[Member] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    given: set[UUID] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.account_id = str(account_stream(self.slug))

    def context(self, actor: str | None, client: str | None = None) -> Context:
        self.moment += timedelta(milliseconds=7)
        subject = actor or f"account:{self.account_id}"
        address, agent = Personal(subject, "192.0.2.7"), Personal(subject, "claude-code/2.1 (linux)")
        salt = secrets.token_hex(16)
        return Context(self.account_id, self.moment, "oauth", lambda: salt, actor, client, address, agent)

    def people(self) -> Iterator[Row]:
        keyring = self.app.keyring
        account = Account.open(UUID(self.account_id), self.slug, "Bench", self.context(None))
        keyring.begin_subject(f"account:{self.account_id}", account.id, self.account_id)
        account.register_resource("res_1", MCP, tuple(account.scopes), self.context(None))
        yield from self.rows(account)
        for number in range(MEMBERS):
            member_id = uuid4()
            keyring.begin_subject(str(member_id), member_id, self.account_id)
            name, email = Personal(str(member_id), f"Person {number}"), Personal(str(member_id), f"p{number}@example.com")
            role = "Job Operator"
            facts: dict[str, Any] = {"role": role, "permissions": permissions_of(role), "projects": "*", "name": name, "email": email}
            member = Member.add(member_id, self.context(None), **facts)
            yield from self.rows(member)
            self.members.append(member)

    def work(self) -> Iterator[Row]:
        """A new registration for every tenth grant; eight grants alive at once, so that their rotations lie apart."""
        alive: list[Iterator[Row]] = []
        for number in cycle(range(10)):
            if number == 0 or not self.clients:
                yield from self.registration()
            alive.append(self.grant())
            if len(alive) == 8:
                for events in alive:
                    yield from islice(events, 20)
                alive.clear()

    def registration(self) -> Iterator[Row]:
        stream_id = uuid4()
        context = self.context(None, str(stream_id))
        client = Client.blank(stream_id, context)
        metadata = {"client_name": f"App {random.randrange(50)}", "redirect_uris": ["http://localhost:3118/callback"]}
        client.register(context, client_id=client_id_for(stream_id), registration="dynamic", metadata=metadata, needs_approval=False)
        yield from self.rows(client)
        self.clients.append(client)

    def session(self) -> Generator[Row, None, Session]:
        """A consent, if there is none of these two, and a code."""
        member, client = random.choice(self.members), random.choice(self.clients)
        who, app = str(member.id), str(client.id)
        consent_id, grant_id = consent_stream(self.account_id, who, app), uuid4()
        context = self.context(who, app)
        if consent_id not in self.given:
            self.given.add(consent_id)
            consent = Consent.blank(consent_id, context)
            consent.give(
                context, member_id=who, for_client=app, requested=(*SCOPES, OFFLINE_ACCESS), resource=MCP, text="0" * 64, approved=SCOPES, denied=(),
                projects="*", keep_alive=True, lifetimes=LIFETIMES, held=(), grant_id=str(grant_id),
            )  # fmt: skip
            yield from self.rows(consent)
        grant = Grant.begin(
            Grant.CodeIssued, grant_id, context, client_id=client.client_id, for_client=app, member_id=who, consent_id=str(consent_id),
            pinned={"consent": 1, "client": 1, "member": 1, "account": 2}, scopes=SCOPES, projects="*", resource=MCP,
            redirect_uri="http://localhost:3118/callback", redirect_uri_sent=True, code_challenge="x" * 43, keep_alive=True, refreshable=True,
            lifetimes=LIFETIMES, key_id="00000000",
        )  # fmt: skip
        yield from self.rows(grant)
        return Session(grant, who, app)

    def rotate(self, session: Session) -> Iterator[Row]:
        issued: dict[str, Any] = {"key_id": "00000000", "access_token_id": secrets.token_hex(8), "access_token_ttl": 600}
        session.grant.issue_tokens(self.context(session.who, session.app), scope=" ".join(SCOPES), judged=(1, 1, 1, 2), **issued)
        yield from self.rows(session.grant)

    def grant(self) -> Iterator[Row]:
        session = yield from self.session()
        for _ in range(ROTATIONS + 1):
            yield from self.rotate(session)
        for _ in range(ACTIONS):
            action = Activity.performed(
                uuid4(), self.context(session.who, session.app), grant_id=str(session.grant.id), client_id=session.grant.client_id, resource=MCP,
                operation="query_metrics", scope="projects:query", projects=("prj_1",), outcome="ok", detail=None,
            )  # fmt: skip
            yield from self.rows(action)

    def rows(self, stream: Stream) -> Iterator[Row]:
        for event in stream.collect_events():
            topic, state = self.app.store.mapper.encode(event)  # type: ignore[arg-type]  # every event of ours carries a context
            yield stream.id, event.originator_version, topic, state, self.account_id


def write_at_rate(folder: Path, port: int) -> None:
    """The writer of the lag: each event in a commit of its own, at RATE a second for SECONDS."""
    place = Place(folder, port)
    with place.app() as app, connect(place.postgres.web_dsn) as connection:
        source = Source(app, now())
        for row in source.people():
            connection.execute(INSERT, row, prepare=True)
        began = time.perf_counter()
        for number, row in enumerate(islice(source.work(), RATE * SECONDS)):
            ahead = began + number / RATE - time.perf_counter()
            if ahead > 0:
                time.sleep(ahead)
            connection.execute(INSERT, _stamped(row), prepare=True)
        print(f"writer: {RATE * SECONDS / (time.perf_counter() - began):,.0f} events/s")


def _stamped(row: Row) -> Row:
    """The event as if it happened now: it was made with its grant, a while ago."""
    rest = row[3].split(b",", 1)[1]
    return row[0], row[1], row[2], b'{"timestamp":%d,%s' % (int(now().timestamp() * 1e6), rest), row[4]


def fill(place: Place, events: int) -> None:
    with place.app() as app, connect(place.postgres.web_dsn) as connection:
        source, began = Source(app, now() - timedelta(days=40)), time.perf_counter()
        for feed in (source.people(), islice(source.work(), events)):
            with connection.cursor().copy(_COPY) as copy:
                for row in feed:
                    copy.write_row(row)
        print(f"made: {events / (time.perf_counter() - began):,.0f} events/s")
    with place.superuser() as connection:
        connection.execute("VACUUM ANALYZE events")


def sequence(connection: psycopg.Connection[Any]) -> None:
    sequencer, began, placed = Sequencer(connection), time.perf_counter(), 0
    while some := sequencer.sequence():
        placed += some
    print(f"{'order':14}{placed / (time.perf_counter() - began):>10,.0f} events/s")


def rebuild_each(place: Place, connection: psycopg.Connection[Any], ahead: psycopg.Connection[Any]) -> None:
    """As `grantbook projections rebuild` does, but for the comparison: the live views stand before the first event."""
    for projection in PROJECTIONS:
        with place.app() as app:
            began, own, database = time.perf_counter(), time.process_time(), backend_cpu(connection, ahead)
            for progress in rebuild(connection, projection, PersonalReader(app.keyring.open, app.keyring.prefetch), snapshot=ahead):
                if progress.phase == "indexing":
                    written = time.perf_counter()
            ended, events = time.perf_counter(), progress.head
            own, database = (time.process_time() - own) * 1e6 / events, (backend_cpu(connection, ahead) - database) * 1e6 / events
            print(
                f"{projection.name:14}{events / (ended - began):>10,.0f} events/s  (rows {written - began:.2f} s, indexes and switch "
                f"{ended - written:.2f} s; µs of CPU an event: own {own:.1f}, database {database:.1f})"
            )


def backend_cpu(*connections: psycopg.Connection[Any]) -> float:
    """Seconds of CPU that the connections' backends have used."""
    stats = [Path(f"/proc/{connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split() for connection in connections]
    return sum(int(numbers[11]) + int(numbers[12]) for numbers in stats) / os.sysconf("SC_CLK_TCK")


def lag_under_load(place: Place) -> None:
    with place.served(), place.superuser() as connection, Lag(connection) as lag:
        subprocess.run([sys.executable, "-m", "bench.projections", "write", str(place.folder), str(place.port)], check=True)
        time.sleep(2)
    waits = lag.seconds
    if not waits:
        raise SystemExit("The views stood still.")
    points = {f"p{p}": waits[min(len(waits) - 1, len(waits) * p // 100)] * 1000 for p in (50, 95, 99)}
    print("lag: " + ", ".join(f"{name} {ms:.0f} ms" for name, ms in points.items()) + f", most {waits[-1] * 1000:.0f} ms, of {len(waits):,} events")


def main(events: int) -> None:
    with temporary_folder() as folder:
        place = Place(folder, free_port())
        with place.database():
            fill(place, events)
            writer = writer_dsn(place.postgres.web_dsn)
            with connect(writer) as connection, connect(writer) as ahead:
                prepare(connection)
                sequence(connection)
                rebuild_each(place, connection, ahead)
            lag_under_load(place)


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write_at_rate(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
