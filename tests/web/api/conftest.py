"""A server with a real store and a real projector, and people who call its API through a client that an admin added."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from werkzeug.test import TestResponse

from application import manage_policies, manage_resources
from application.introspect_token import judge
from application.register_client import register_manual
from infrastructure.projector import Projector
from projections.events import PersonalReader
from projections.status import lag
from tests.support.oauth_world import API, CALLBACK, CLI, World, oauth_world
from tests.support.postgres import Database

BOTH = "account:read account:manage"
PREFIX = "/api/v1"


@dataclass
class Caller:
    """A person with a token."""

    world: World
    token: str
    member_id: str = ""

    @property
    def may_manage(self) -> bool:
        """Whether the token is still good for changes."""
        services = self.world.services
        judged = judge(services, self.world.account_id, self.token, services.clock())
        return judged is not None and judged.access.allows("account:manage") and API in self.world.account.resources

    def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **how: Any) -> TestResponse:
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        response: TestResponse = self.world.http.open(f"{PREFIX}{path}", method=method, headers={**authorization, **(headers or {})}, **how)
        return response

    def get(self, path: str, **how: Any) -> TestResponse:
        return self.call("GET", path, **how)

    def post(self, path: str, body: Any = None, **how: Any) -> TestResponse:
        return self.call("POST", path, json=body, **how) if body is not None else self.call("POST", path, **how)

    def patch(self, path: str, body: Any, *, tag: str = "*", **how: Any) -> TestResponse:
        return self.call("PATCH", path, json=body, headers={"If-Match": tag}, **how)

    def put(self, path: str, body: Any, *, tag: str = "*", **how: Any) -> TestResponse:
        return self.call("PUT", path, json=body, headers={"If-Match": tag}, **how)

    def delete(self, path: str, **how: Any) -> TestResponse:
        return self.call("DELETE", path, **how)

    def seen(self, path: str, after: TestResponse) -> Any:
        """Read what a write is shown in."""
        mark = "&" if "?" in path else "?"
        response = self.get(path := f"{path}{mark}min_position={after.headers['Grantbook-Position']}")
        while response.status_code == 503 and response.get_json()["code"] == "not-yet-visible":  # as its title says, on a busy machine
            response = self.get(path)
        assert response.status_code == 200, response.text
        return response.get_json()


@dataclass
class Server:
    world: World
    client_id: str = ""
    _callers: dict[tuple[str, str], Caller] = field(default_factory=dict)

    def caller(self, role: str = "Account Admin", scopes: str = BOTH) -> Caller:
        """Somebody new with this role, and a token with these scopes; the same one each time."""
        found = self._callers.get((role, scopes))
        if found is None:
            found = self._callers[role, scopes] = self.new_caller(role, scopes)
        return found

    def new_caller(self, role: str = "Account Admin", scopes: str = BOTH, *, keep_alive: bool = False) -> Caller:
        member_id = self.world.member(role)
        tokens = self.world.tokens(self.client_id, member_id, scopes=scopes, scope=BOTH, resource=API, keep_alive=keep_alive)
        return Caller(self.world, tokens["access_token"], member_id)

    def revive(self) -> None:
        """Undo whatever keeps admins out: plan, lifetimes, a removed resource, a blocked client, lost permissions."""
        world = self.world
        services, account_id = world.services, world.account_id
        manage_policies.change_plan(services, account_id, "enterprise", origin=CLI)
        manage_policies.change_policy(services, account_id, {"access_token_ttl": "600", "absolute_lifetime": "90d", "code_ttl": "60"}, origin=CLI)
        if API not in world.account.resources:
            manage_resources.add(services, account_id, identifier=API, scopes=BOTH.split(), origin=CLI)
        self.client_id = add_client(world)
        self._callers.clear()

    def settled(self) -> None:
        """Wait until the views hold everything that was recorded."""
        with self.world.app.views() as conn:
            for _ in range(2000):
                waiting = conn.execute("SELECT (SELECT count(*) FROM events) - (SELECT count(*) FROM positions)").fetchone()
                found = lag(conn)
                if waiting == (0,) and found.position >= found.head:
                    return
                threading.Event().wait(0.01)
        raise AssertionError("the views did not catch up")


def add_client(world: World) -> str:
    """An app added by hand, as an admin does for scripts."""
    scopes = [*BOTH.split(), "offline_access"]
    facts: dict[str, Any] = {"name": "Script", "redirect_uris": [CALLBACK], "scopes": scopes, "homepage": None}
    return register_manual(world.services, world.account_id, **facts, actor_id=world.admin_id, origin=CLI).client_id


def client_of(server: Server, name: str) -> str:
    return server.world.client_id(client_name=name)


def every_entry(caller: Caller, path: str, limit: int) -> list[Any]:
    """Every entry, page by page."""
    found: list[Any] = []
    mark = "&" if "?" in path else "?"
    where = f"{path}{mark}limit={limit}"
    while True:
        page = caller.get(where).get_json()
        assert len(page["data"]) <= limit + 1
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        where = f"{path}{mark}limit={limit}&cursor={page['next_cursor']}"


def serve(database: Database) -> Iterator[Server]:
    stop = threading.Event()
    with oauth_world(database) as world:
        projector = Projector(world.app.dsn, lambda: PersonalReader(world.app.keyring.open, world.app.keyring.prefetch))
        thread = threading.Thread(target=projector.run, args=(stop,), daemon=True)
        thread.start()
        try:
            assert projector.leading.wait(20)
            yield Server(world, add_client(world))
        finally:
            stop.set()
            thread.join(10)


@pytest.fixture(scope="module")
def server(module_database: Database) -> Iterator[Server]:
    """One server for the tests of a file, which must not spoil it for each other."""
    yield from serve(module_database)


@pytest.fixture
def own_server(database: Database) -> Iterator[Server]:
    """A server of one's own."""
    yield from serve(database)


@pytest.fixture
def admin(server: Server) -> Caller:
    return server.caller()
