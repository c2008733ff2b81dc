from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from application import decide_app, end_consent, manage_members, manage_projects, revoke_grant
from application.known_access import KnownAccess
from domain.access import Standing, access, why_ended
from domain.errors import DomainError
from domain.explaining import conditions
from domain.grant import Grant
from domain.ids import consent_stream
from infrastructure.past.answers import Past
from infrastructure.past.holders import Asked, Held, Holders
from infrastructure.past.judging import Wanted
from infrastructure.past.moments import Moment, head, moment_at, moment_of
from infrastructure.past.states import Folded, States
from infrastructure.store.sequencer import Sequencer
from projections.events import PersonalReader
from tests.infrastructure.past.judged_since import together_as_one_by_one
from tests.projections.support import run_all
from tests.support.oauth_world import ALL_SCOPES, CLI, REAL_SCOPES, World, oauth_world
from tests.support.postgres import Database

SCOPES = REAL_SCOPES.split()
PERMISSIONS = ("metrics.query", "catalog.read", "project.develop", "jobs.run")
ROLES = ("Developer", "Analyst", "Job Operator", "Member", "Account Viewer")
Truth = dict[tuple[str, str], tuple[str, ...] | None]


@dataclass
class Story:
    """A history that is being made, and what the write side said at each of its steps."""

    world: World
    connection: psycopg.Connection[Any]
    chance: random.Random
    members: list[str] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)
    grants: dict[str, tuple[str, str]] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    told: list[tuple[Moment, Truth]] = field(default_factory=list)

    def note(self) -> None:
        """Position what happened, and keep a copy of the truth."""
        Sequencer(self.connection).sequence()
        now, truth = self.world.clock(), {}
        for grant_id in self.grants:
            standing = self.world.services.store.standing(UUID(grant_id))
            assert standing is not None
            explained(standing, now)
            if why_ended(standing, now) is None:
                truth.update({(grant_id, s): p for s, p in access(standing).scopes.items() if s != "offline_access"})
        self.told.append((Moment(head(self.connection), now), truth))

    def holders(self) -> Holders:
        keyring = self.world.app.keyring
        run_all(self.connection, PersonalReader(keyring.open, keyring.prefetch))
        return Holders(self.connection, self.world.app.store.mapper, keyring, self.world.account_id)

    # ---- what may happen

    def joins(self) -> None:
        where = self.chance.choice([(), ("Sales",), ("Sales", "Marketing")])
        self.members.append(self.world.member(self.chance.choice(ROLES), where))

    def registers(self) -> None:
        self.clients.append(self.world.client_id(client_name=f"Tool {self.chance.randrange(3)}"))

    def consents(self) -> None:
        client, member = self.chance.choice(self.clients), self.chance.choice(self.members)
        wanted = self.chance.sample(SCOPES, self.chance.randint(1, len(SCOPES)))
        projects: Any = self.chance.choice(["all", list(self.world.account.projects)[:1]])
        keep = self.chance.random() < 0.7
        tokens = self.world.tokens(client, member, scopes=" ".join(wanted), projects=projects, keep_alive=keep, scope=ALL_SCOPES)
        grant_id = str(self.world.grant_id(tokens))
        self.grants[grant_id] = (member, client)
        if "refresh_token" in tokens:
            self.refresh_tokens[grant_id] = tokens["refresh_token"]

    def refreshes(self) -> None:
        grant_id = self.chance.choice(list(self.refresh_tokens))
        response = self.world.refresh(self.grants[grant_id][1], self.refresh_tokens[grant_id])
        if response.status_code == 200:
            self.refresh_tokens[grant_id] = response.get_json().get("refresh_token", self.refresh_tokens[grant_id])

    def changes_a_permission(self) -> None:
        deed = self.chance.choice([manage_members.permit, manage_members.forbid])
        where = self.chance.choice([[], list(self.world.account.projects)[:1]])
        deed(
            self.world.services,
            self.world.account_id,
            UUID(self.chance.choice(self.members)),
            self.chance.choice(PERMISSIONS),
            projects=where,
            origin=CLI,
        )

    def changes_a_role(self) -> None:
        member, role = UUID(self.chance.choice(self.members)), self.chance.choice(ROLES)
        manage_members.change_role(self.world.services, self.world.account_id, member, role, projects=[], origin=CLI)

    def leaves_or_returns(self) -> None:
        deed: Callable[..., Any] = self.chance.choice([manage_members.deactivate, manage_members.reactivate])
        deed(self.world.services, self.world.account_id, UUID(self.chance.choice(self.members)), origin=CLI)

    def decides_about_an_app(self) -> None:
        deed: Callable[..., Any] = self.chance.choice([decide_app.block, decide_app.unblock, decide_app.approve])
        deed(self.world.services, self.world.account_id, self.chance.choice(self.clients), actor_id=None, origin=CLI)

    def takes_something_back(self) -> None:
        grant_id, (member, client) = self.chance.choice(list(self.grants.items()))
        services, account_id = self.world.services, self.world.account_id
        consent = str(consent_stream(account_id, member, str(UUID(client.removeprefix("app_")))))
        what = self.chance.randrange(3)
        if what == 0:
            revoke_grant.revoke(services, account_id, grant_id, by="admin", actor_id=None, origin=CLI)
        elif what == 1:
            end_consent.withdraw(services, account_id, consent, actor_id=member, origin=CLI)
        else:
            end_consent.narrow(services, account_id, consent, scopes=SCOPES[:2], projects="*", actor_id=member, origin=CLI)

    def time_passes(self) -> None:
        self.world.later(days=self.chance.choice([0.1, 3, 8]))

    def a_project_comes_or_goes(self) -> None:
        services, account_id = self.world.services, self.world.account_id
        if len(self.world.account.projects) > 2 and self.chance.random() < 0.5:
            manage_projects.remove(services, account_id, list(self.world.account.projects)[-1], origin=CLI)
        else:
            manage_projects.add(services, account_id, f"Project {self.chance.randrange(10**6)}", origin=CLI)


@pytest.fixture
def story(database: Database) -> Iterator[Story]:
    with oauth_world(database) as world, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        object.__setattr__(world.services, "known_access", KnownAccess())
        made = Story(world, connection, random.Random(7))
        made.members.append(world.admin_id)
        yield made


def explained(standing: Standing, now: datetime) -> None:
    """The conditions that an explanation tells hold together exactly where the one permission function allows."""
    live = why_ended(standing, now) is None
    for scope in SCOPES:
        for project in (None, *standing.account.projects):
            told = conditions(standing, scope, project, now)
            assert all(told.values()) == (live and access(standing).allows(scope, project)), (scope, project, told)


def as_truth(lines: list[Held]) -> Truth:
    return {(line.grant_id, line.scope): line.projects for line in lines}


@pytest.mark.parametrize("seed", range(6))
def test_the_past_is_told_as_the_write_side_saw_it_at_every_step(story: Story, seed: int) -> None:
    story.chance = random.Random(seed)
    for begin in (story.registers, story.registers, story.consents, story.joins):
        begin()
    deeds = [
        story.joins, story.registers, *[story.consents] * 4, *[story.changes_a_permission] * 3, story.changes_a_role, story.leaves_or_returns,
        story.decides_about_an_app, *[story.takes_something_back] * 2, story.time_passes, story.a_project_comes_or_goes, *[story.refreshes] * 4,
    ]  # fmt: skip
    for _ in range(40):
        with suppress(DomainError, AssertionError, IndexError):
            story.chance.choice(deeds)()
        story.note()
    holders = story.holders()
    assert sum(bool(truth) for _, truth in story.told) > 10
    for moment, truth in story.told:
        assert as_truth(holders.at(moment)) == truth, moment
    past = Past(story.connection, story.world.app.store.mapper, story.world.app.keyring, story.world.account_id)
    pairs = sorted({(member, client.removeprefix("app_")) for member, client in story.grants.values()})
    wanted = [Wanted(member, client, story.chance.choice(SCOPES), None) for member, client in pairs]
    for since, _ in story.chance.sample(story.told, 3):
        together_as_one_by_one(past, wanted, since, story.told[-1][0])


def test_a_session_is_rebuilt_at_each_position_as_if_all_its_rotations_had_been_read(story: Story) -> None:
    world, client = story.world, story.world.client_id()
    tokens = world.tokens(client, scopes="account:read", keep_alive=True)
    for turn in range(9):
        world.later(days=1)
        world.refresh(client, tokens["refresh_token"])
        if turn == 3:  # once more, within its grace
            world.refresh(client, tokens["refresh_token"])
        tokens = world.refresh(client, tokens["refresh_token"]).get_json()
    grant_id = world.grant_id(tokens)
    story.note()
    mapper = world.app.store.mapper
    past = Past(story.connection, mapper, world.app.keyring, world.account_id)
    whole = past.events([grant_id], story.told[-1][0].position)
    assert len(whole) > 12
    folded = Folded()
    for told in whole:
        folded.fold(told.event)
        states = States(story.connection, mapper, told.position)
        states.read_grants([grant_id])
        then, found = folded.get(Grant, grant_id), states.get(Grant, grant_id)
        assert then is not None
        assert found is not None
        assert (found.version, found.issued, found.exchanged, found.replay_noted) == (then.version, then.issued, then.exchanged, then.replay_noted)
        if then.issued is not None:
            assert states.place(grant_id, then.issued.version) <= told.position
    states = States(story.connection, mapper, whole[0].position - 1)
    states.read_grants([grant_id])
    assert states.get(Grant, grant_id) is None


def test_a_session_is_in_the_answer_until_its_time_is_over(story: Story) -> None:
    world, client = story.world, story.world.client_id()
    tokens = world.tokens(client, scopes="account:read", keep_alive=True)
    kept = str(world.grant_id(tokens))
    short = str(world.grant_id(world.tokens(client, scopes="account:read", keep_alive=False)))
    world.later(days=5)
    world.refresh(client, tokens["refresh_token"])
    story.note()
    holders, (used, _) = story.holders(), story.told[-1]
    for days, live in (
        (0.1, {kept, short}),
        (6.9, {kept, short}),
        (7.1, {short}),
        (84.9, {short}),
        (85.1, set()),
    ):
        moment = Moment(used.position, used.at + timedelta(days=days))
        assert {line.grant_id for line in holders.at(moment)} == live, days


def test_each_line_cites_the_events_without_which_it_would_not_stand(story: Story) -> None:
    world, client = story.world, story.world.client_id()
    member = world.member("Analyst", ["Sales"])
    story.world.tokens(client, member, scopes="projects:query catalog:read", projects=[world.projects["Sales"]])
    story.note()
    before = story.told[-1][0]
    (line,) = story.holders().at(before, Asked(scope="projects:query"))
    assert (line.member_id, line.client_id, line.project_names) == (member, client, ("Sales",))
    topics = {label: [topic_at(story, position) for position in positions] for label, positions in line.because.items()}
    assert topics == {
        "registration": ["client.registered"], "consent": ["consent.given"], "permission": ["member.added"], "grant": ["grant.code_issued"],
    }  # fmt: skip
    assert line.cited == tuple(sorted(line.cited))
    manage_members.forbid(world.services, world.account_id, UUID(member), "metrics.query", projects=["Sales"], origin=CLI)
    manage_members.permit(world.services, world.account_id, UUID(member), "metrics.query", projects=["Sales"], origin=CLI)
    story.note()
    assert story.holders().at(story.told[-1][0], Asked(scope="projects:query")) == []
    assert len(story.holders().at(before, Asked(scope="projects:query"))) == 1


def topic_at(story: Story, position: int) -> str:
    sql = "SELECT topic FROM events JOIN positions USING (originator_id, originator_version) WHERE position = %s"
    row = story.connection.execute(sql, (position,)).fetchone()
    assert row is not None
    return str(row[0])


def test_an_approval_is_cited_where_one_was_needed(story: Story) -> None:
    world = story.world
    world.policy(registration="approval")
    client = world.client_id()
    decide_app.approve(world.services, world.account_id, client, actor_id=world.admin_id, origin=CLI)
    world.tokens(client, scopes="account:read")
    story.note()
    (line,) = story.holders().at(story.told[-1][0])
    assert [topic_at(story, position) for position in line.because["approval"]] == ["account.app_approved"]


def test_the_question_can_be_narrowed(story: Story) -> None:
    world = story.world
    one, two, member = world.client_id(client_name="One"), world.client_id(client_name="Two"), world.member("Job Operator")
    for client in (one, two):
        for person in (world.admin_id, member):
            world.tokens(client, person, scopes="account:read jobs:run", projects=[world.projects["Marketing"]])
    story.note()
    holders, now = story.holders(), story.told[-1][0]
    assert len(holders.at(now)) == 8
    assert {line.member_id for line in holders.at(now, Asked(member_id=member))} == {member}
    assert {line.client_id for line in holders.at(now, Asked(client_stream=str(UUID(one.removeprefix("app_")))))} == {one}
    assert {line.scope for line in holders.at(now, Asked(project_id=world.projects["Marketing"]))} == {"jobs:run"}
    assert holders.at(now, Asked(project_id=world.projects["Sales"])) == []


def test_a_moment_is_found_by_its_time(story: Story) -> None:
    world = story.world
    story.note()
    first = story.told[-1][0]
    world.later(days=2)
    world.member()
    story.note()
    second = story.told[-1][0]
    assert moment_at(story.connection, first.at).position == first.position
    assert moment_at(story.connection, second.at).position == second.position > first.position
    assert moment_at(story.connection, first.at.replace(year=2020)).position == 0
    found = moment_of(story.connection, first.position)
    assert found is not None
    assert found.at <= first.at
    assert moment_of(story.connection, second.position + 1) is None
    assert story.holders().at(Moment(0, first.at)) == []


def test_an_erased_person_stays_in_the_answer_without_a_name(story: Story) -> None:
    world = story.world
    member = world.member("Analyst")
    world.tokens(world.client_id(), member, scopes="account:read")
    story.note()
    assert [line.member_name for line in story.holders().at(story.told[-1][0])] == ["M"]
    with psycopg.connect(world.database.superuser_dsn, autocommit=True) as admin:
        admin.execute("DELETE FROM subjects WHERE subject = %s", (member,))
    world.app.keyring.forget(member)
    assert [line.member_name for line in story.holders().at(story.told[-1][0])] == [None]
