from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from application import manage_policies, open_account
from application.approve_consent import approve
from application.begin_authorization import PendingRequest, begin
from application.register_client import register_dynamic
from application.services import Origin
from domain.client import Client
from domain.ids import account_stream
from infrastructure.bootstrap import App, bootstrap
from infrastructure.database import connect
from infrastructure.projector_workers import writer_dsn
from infrastructure.store.sequencer import Sequencer
from infrastructure.sweeping import Sweeping
from projections.audit_log.queries import entries
from projections.events import PersonalReader
from projections.members.queries import list_members
from projections.preparing import prepare
from projections.sessions.queries import list_sessions
from tests.infrastructure.test_bootstrap import FACTS, settings_for
from tests.projections.support import run_all
from tests.support.oauth_world import PlainPasswords
from tests.support.postgres import Database

ORIGIN = Origin("oauth", "192.0.2.7")
ACCOUNT = str(account_stream("acme"))


class Clock:
    """Goes only where it is sent."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC) - timedelta(days=5)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(database: Database, clock: Clock) -> Iterator[App]:
    with contextlib.closing(bootstrap(settings_for(database.web_dsn), clock=clock, passwords=PlainPasswords())) as made:
        open_account.open_account(made.services, **FACTS)
        yield made


def bring_up_to_date(app: App) -> None:
    with connect(writer_dsn(app.dsn)) as connection:
        prepare(connection)
        while Sequencer(connection).sequence():
            pass
        run_all(connection, PersonalReader(app.keyring.open, app.keyring.prefetch))


def registered(app: App) -> Client:
    return register_dynamic(app.services, ACCOUNT, {"client_name": "Probe", "redirect_uris": ["http://127.0.0.1/cb"]}, ORIGIN)


def test_an_unused_registration_is_reaped_after_the_policys_days(app: App, clock: Clock) -> None:
    client = registered(app)
    manage_policies.change_policy(app.services, ACCOUNT, {"reap_unused_after_days": "3"}, origin=ORIGIN)
    sweeping = Sweeping(app)
    for days, gone in ((2, False), (2, True)):
        clock.now += timedelta(days=days)
        bring_up_to_date(app)
        sweeping.round()
        found = app.store.load(Client, client.id)
        assert found is not None
        assert found.removed is gone


def test_a_registration_used_since_the_views_stand_still_is_not_reaped(app: App, clock: Clock) -> None:
    client = registered(app)
    manage_policies.change_policy(app.services, ACCOUNT, {"reap_unused_after_days": "3"}, origin=ORIGIN)
    bring_up_to_date(app)
    with app.views() as connection:
        (admin,) = list_members(connection, ACCOUNT)
    clock.now += timedelta(days=4)
    code_issued(app, client, admin.member_id)
    with connect(writer_dsn(app.dsn)) as connection:
        while Sequencer(connection).sequence():
            pass
    Sweeping(app).round()
    found = app.store.load(Client, client.id)
    assert found is not None
    assert not found.removed


def code_issued(app: App, client: Client, member_id: str) -> None:
    """A consent to everything the client asked for; its code is never exchanged."""
    asked = {"response_type": ["code"], "client_id": [client.client_id], "redirect_uri": ["http://127.0.0.1/cb"], "scope": ["account:read"]}
    pending = begin(app.services, ACCOUNT, {**asked, "code_challenge": ["x" * 43], "code_challenge_method": ["S256"]}, ORIGIN)
    assert isinstance(pending, PendingRequest)
    choices = {"scopes": ("account:read",), "project_access": "all", "project_ids": (), "keep_alive": True}
    approve(app.services, pending, member_id, **choices, text="Shown.", origin=ORIGIN)  # type: ignore[arg-type]


def test_an_expired_session_is_noted_once_for_the_views(app: App, clock: Clock) -> None:
    bring_up_to_date(app)
    with app.views() as connection:
        (admin,) = list_members(connection, ACCOUNT)
    code_issued(app, registered(app), admin.member_id)
    clock.now += timedelta(minutes=10)
    sweeping = Sweeping(app)
    recorded = []
    for _ in range(3):
        bring_up_to_date(app)
        recorded.append(sweeping.round())
    assert recorded == [1, 0, 0]
    with app.views() as connection:
        (found,) = list_sessions(connection, ACCOUNT, live_only=False)
        noted = entries(connection, ACCOUNT, event_type="oauth_grant.expired")
    assert (found.status, found.ended_reason) == ("ended", "code")
    assert [(e.grant_id, e.event_context, e.actor_type, e.client_name) for e in noted] == [(found.grant_id, {"which": "code"}, "system", "Probe")]
