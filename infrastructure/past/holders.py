"""Who could do what at a moment of the past: every grant that was live then, judged by `domain.access`, each line citing its events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.access import Standing, access, why_ended
from domain.scopes import OFFLINE_ACCESS
from infrastructure.past.moments import Connection, Moment
from infrastructure.past.states import States
from infrastructure.store.keyring import Keyring
from infrastructure.store.mapper import EventMapper

# Which grants may have been live is read from a view; whether they were is judged from the events. No lifetime gets longer than was agreed, and no
# use came after the last one, so those that time had ended for certain need not be judged; a day more, as servers' clocks may be apart.
_CANDIDATES = """
SELECT grant_id, consent_id, client_stream, member_id FROM views.sessions
WHERE account_id = %(account)s AND created_position <= %(position)s AND (ended_position IS NULL OR ended_position > %(position)s)
AND created_at + absolute_lifetime * interval '1 second' > %(at)s::timestamptz - interval '1 day'
AND (NOT keep_alive OR coalesce(issued_at, created_at) + idle_window * interval '1 second' > %(at)s::timestamptz - interval '1 day')
AND (%(member)s::uuid IS NULL OR member_id = %(member)s) AND (%(client)s::uuid IS NULL OR client_stream = %(client)s)"""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked about: a member, a client (by its stream), a project id, a scope; None takes all."""

    member_id: str | None = None
    client_stream: str | None = None
    project_id: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A scope that a person's app could use: in `projects` (ids; None where it knows none), `until` time would have ended it.

    `because` names the events by position: `consent` is the one that allowed the scope, `permission` what gave it to the member, `approval` stands
    where an admin had to approve.
    """

    member_id: str
    member_name: str | None
    client_id: str
    client_stream: str
    client_name: str
    grant_id: str
    scope: str
    projects: tuple[str, ...] | None
    project_names: tuple[str, ...] | None
    until: datetime
    because: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def cited(self) -> tuple[int, ...]:
        """All positions, in order."""
        return tuple(sorted({position for positions in self.because.values() for position in positions}))


class Holders:
    """Answers about one account. Names are opened as far as the people are not erased."""

    def __init__(self, connection: Connection, mapper: EventMapper, keyring: Keyring, account_id: str) -> None:
        self._connection, self._mapper, self._keyring, self._account_id = connection, mapper, keyring, account_id

    def at(self, moment: Moment, asked: Asked = Asked()) -> list[Held]:
        """Every line, by person, app and scope."""
        states, standings = self.live(moment, asked)
        names = self._names(standings)
        found = [line for standing in standings for line in self._lines(states, standing, names, asked)]
        return sorted(found, key=lambda line: (line.member_name or "", line.member_id, line.client_name, line.grant_id, line.scope))

    def live(self, moment: Moment, asked: Asked = Asked()) -> tuple[States, list[Standing]]:
        """The sessions that were live, each on the states that it was judged on. Of `asked`, project and scope don't matter here."""
        given = {
            "account": self._account_id, "position": moment.position, "at": moment.at, "member": asked.member_id, "client": asked.client_stream,
        }  # fmt: skip
        rows = self._connection.execute(_CANDIDATES, given).fetchall()
        states = States(self._connection, self._mapper, moment.position)
        states.read({UUID(self._account_id)} | {stream for row in rows for stream in row[1:]})
        states.read_grants(row[0] for row in rows)
        standings = (states.standing(row[0]) for row in rows)
        return states, [s for s in standings if s is not None and s.grant.exchanged and why_ended(s, moment.at) is None]

    def _names(self, standings: list[Standing]) -> dict[UUID, str | None]:
        """The names of those people who are not erased."""
        members: dict[UUID, Any] = {standing.member.id: standing.member for standing in standings}
        self._keyring.prefetch(member.name.kid for member in members.values() if member.name is not None)
        return {found: self._keyring.open(member.name, f"{found}:{member.profile_version}") for found, member in members.items()}

    def _lines(self, states: States, standing: Standing, names: dict[UUID, str | None], asked: Asked) -> Iterator[Held]:
        account, grant, client, name = standing.account, standing.grant, standing.client, names[standing.member.id]
        for code, projects in access(standing).scopes.items():
            if code == OFFLINE_ACCESS or not _matches(code, projects, asked):
                continue
            named = None if projects is None else tuple(account.projects[p] for p in projects)
            yield Held(
                member_id=grant.member_id, member_name=name, client_id=grant.client_id, client_stream=grant.for_client, client_name=client.name,
                grant_id=str(grant.id), scope=code, projects=projects, project_names=named, until=ends(standing),
                because=_because(states, standing, code, projects),
            )  # fmt: skip


def ends(standing: Standing) -> datetime:
    """When time alone ends a session: the inactivity window where it stays alive, or the absolute end."""
    grant, policy = standing.grant, standing.account.session_policy
    absolute = grant.absolute_expiry(policy)
    return min(absolute, grant.idle_expiry(policy)) if grant.keep_alive else absolute


def _matches(code: str, projects: tuple[str, ...] | None, asked: Asked) -> bool:
    if asked.scope is not None and code != asked.scope:
        return False
    return asked.project_id is None or (projects is not None and asked.project_id in projects)


def _because(states: States, standing: Standing, code: str, projects: tuple[str, ...] | None) -> dict[str, tuple[int, ...]]:
    """The events without which the line would not stand there."""
    grant, consent, member, client = standing.grant, standing.consent, standing.member, standing.client
    consented = {consent.scopes[code], *(_since(consent.projects.since(p)) for p in projects or ())}
    permission = standing.account.scopes[code].permission
    given: set[int] = {1}
    if permission is not None:
        extent = member.extent(permission)
        given = {_since(extent.all_since)} if projects is None else {_since(extent.since(p)) for p in projects}
    approved = states.approvals.get(client.fingerprint) if client.needs_approval else None
    return {
        "registration": (states.place(client.id, client.ended + 1),),
        **({} if approved is None else {"approval": (approved,)}),
        "consent": tuple(sorted(states.place(consent.id, version) for version in consented)),
        "permission": tuple(sorted(states.place(member.id, version) for version in given)),
        "grant": (states.place(grant.id, 1),),
    }


def _since(version: int | None) -> int:
    assert version is not None, "what holds has held since some event"
    return version
