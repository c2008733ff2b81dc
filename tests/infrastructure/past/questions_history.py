"""A history by hand: what happened is written here, and where in the ledger each of it came to stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from application import decide_app, manage_members, revoke_grant
from infrastructure.past.answers import Answer, Past
from infrastructure.past.moments import Moment, head
from infrastructure.past.questions import QUESTIONS
from infrastructure.store.sequencer import Sequencer
from projections.events import PersonalReader
from tests.projections.support import run_all
from tests.support.oauth_world import CLI, World, oauth_world
from tests.support.postgres import Database
from web.asking import asking_of


@dataclass
class History:
    """`at` holds moments by name; `tokens`, `grants` and `clients` what was given."""

    world: World
    connection: psycopg.Connection[Any]
    at: dict[str, Moment] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)
    grants: dict[str, str] = field(default_factory=dict)

    def mark(self, name: str) -> None:
        """Position what happened, let the views see it, and remember the moment."""
        Sequencer(self.connection).sequence()
        keyring = self.world.app.keyring
        run_all(self.connection, PersonalReader(keyring.open, keyring.prefetch))
        self.at[name] = Moment(head(self.connection), self.world.clock())
        self.world.later(minutes=1)

    def place(self, topic: str, stream: str | None = None, nth: int = -1) -> int:
        """The position of the last (or nth) event of a topic, of one stream if it is named."""
        sql = """SELECT position FROM positions JOIN events USING (originator_id, originator_version)
                 WHERE topic = %s AND (%s::uuid IS NULL OR originator_id = %s) ORDER BY position"""
        rows = self.connection.execute(sql, (topic, stream, stream)).fetchall()
        return int(rows[nth][0])

    def ask(self, name: str, **given: Any) -> Answer:
        keyring = self.world.app.keyring
        past = Past(self.connection, self.world.app.store.mapper, keyring, self.world.account_id)
        if isinstance(given.get("at"), str):
            given["at"] = self.at[given["at"]].at
        asking = asking_of(self.world.services, past, QUESTIONS[name], given)
        return QUESTIONS[name].answer(past, asking)

    def stream(self, client: str) -> str:
        return str(UUID(self.clients[client].removeprefix("app_")))

    def session(self, name: str, client: str, member: str, **how: Any) -> dict[str, Any]:
        tokens = self.world.tokens(self.clients[client], self.members[member], **how)
        self.grants[name] = str(self.world.grant_id(tokens))
        return tokens


@contextmanager
def told(database: Database) -> Iterator[History]:
    """Maya and Tom use Editor, which an admin approved first, and Helper, which nobody did. Maya leaves; Tom's session is revoked."""
    with oauth_world(database) as world, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        history = History(world, connection)
        history.mark("empty")
        history.members = {"maya": world.member("Analyst", ["Sales"]), "tom": world.member("Developer"), "idle": world.member("Member")}
        history.clients["helper"] = world.client_id(client_name="Helper")
        world.policy(registration="approval")
        history.clients["editor"] = world.client_id(client_name="Editor")
        decide_app.approve(world.services, world.account_id, history.clients["editor"], actor_id=world.admin_id, origin=CLI)
        history.mark("approved")
        sales = [world.projects["Sales"]]
        maya = history.session("maya", "editor", "maya", scopes="projects:query", projects=sales, keep_alive=True)
        history.session("maya helper", "helper", "maya", scopes="account:read", keep_alive=True)
        tom = history.session("tom", "editor", "tom", scopes="projects:query catalog:read", keep_alive=True)
        history.mark("used")
        world.refresh(history.clients["editor"], maya["refresh_token"])
        later = world.refresh(history.clients["editor"], tom["refresh_token"]).get_json()
        history.mark("refreshed")
        revoke_grant.revoke(
            world.services, world.account_id, history.grants["tom"], by="admin", actor_id=world.admin_id, origin=CLI, reason="lost laptop"
        )
        history.mark("revoked")
        assert world.refresh(history.clients["editor"], later["refresh_token"]).status_code == 400
        manage_members.deactivate(world.services, world.account_id, UUID(history.members["maya"]), origin=CLI, actor_id=world.admin_id)
        history.mark("left")
        yield history
