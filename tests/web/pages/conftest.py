"""A whole server for the pages' tests: real store, real projector, the Flask app served on a port of 127.0.0.1."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import zlib
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from application import manage_members, manage_projects, open_account
from application.services import Origin
from bench.ports import free_ports
from infrastructure.bootstrap import App, bootstrap
from infrastructure.projector import Projector
from infrastructure.settings import load_settings
from projections.events import PersonalReader
from projections.status import lag
from tests.support.http_flow import App as HttpApp
from tests.support.http_flow import Person, hidden
from tests.support.postgres import TestCluster
from tests.support.served import served
from web.app import create_app, wrapped

PASSWORD = "correct horse battery staple"
ORIGIN = Origin("cli")
PEOPLE = {
    "admin": ("Priya Raman", "Account Admin", []),
    "viewer": ("Vera Vale", "Account Viewer", []),
    "analyst": ("Maya Castillo", "Analyst", ["Sales", "Marketing"]),
    "operator": ("Otto Olsen", "Job Operator", []),
    "member": ("Milo Mann", "Member", []),
}  # fmt: skip


class QuickPasswords:
    """Passwords without the cost of argon2."""

    def hash(self, password: str) -> str:
        return f"plain:{password}"

    def verify(self, password: str, secret: str | None) -> bool:
        return secret == f"plain:{password}"


@dataclass
class Site:
    """The running server, its account and the people in it."""

    app: App
    base_url: str
    account_id: str = ""
    people: dict[str, str] = field(default_factory=dict)
    projects: dict[str, str] = field(default_factory=dict)
    superuser_dsn: str = ""

    def email(self, who: str) -> str:
        return f"{who}@jaffle.example"

    def fill(self) -> None:
        """Open the account with its projects and people."""
        services = self.app.services
        opened = open_account.open_account(
            services, slug="jaffle", name="Jaffle Analytics", admin_email=self.email("admin"), admin_name=PEOPLE["admin"][0],
            password=PASSWORD, origin=ORIGIN,
        )  # fmt: skip
        self.account_id = str(opened.account.id)
        self.people["admin"] = str(opened.admin.id)
        for name in ("Sales", "Marketing", "Finance"):
            self.projects[name] = manage_projects.add(services, self.account_id, name, origin=ORIGIN).project_id
        for who, (name, role, projects) in PEOPLE.items():
            if who != "admin":
                added = manage_members.add_member(
                    services, self.account_id, email=self.email(who), name=name, role=role, projects=projects, password=PASSWORD, origin=ORIGIN
                )
                self.people[who] = str(added.member_id)


@contextlib.contextmanager
def _running(cluster: TestCluster, data: Path) -> Iterator[Site]:
    """A server without any account, with its projector, on a database of its own."""
    port = free_ports(1)
    base_url = f"http://127.0.0.1:{port}"
    settings = load_settings({"GRANTBOOK_DATA_DIR": str(data), "GRANTBOOK_BASE_URL": base_url}, data)
    with cluster.fresh() as database:
        app = bootstrap(settings, dsn=database.web_dsn, passwords=QuickPasswords())
        stop = threading.Event()
        projector = Projector(app.dsn, lambda: PersonalReader(app.keyring.open, app.keyring.prefetch))
        thread = threading.Thread(target=projector.run, args=(stop,), daemon=True)
        thread.start()
        assert projector.leading.wait(20)
        with served(wrapped(app, create_app(app)), port, at_end=app.close):
            yield Site(app, base_url, superuser_dsn=database.superuser_dsn)
        stop.set()
        thread.join(10)
        app.close()


@pytest.fixture(scope="module")
def empty_site(cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server without any account, for all tests of one file."""
    with _running(cluster, tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture
def bare_site(cluster: TestCluster, tmp_path: Path) -> Iterator[Site]:
    """The same for one test that opens the account."""
    with _running(cluster, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def site(cluster: TestCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with the account Jaffle Analytics, for all tests of one file, in any order."""
    with _running(cluster, tmp_path_factory.mktemp("site")) as running:
        running.fill()
        yield running


@pytest.fixture
def fresh_site(cluster: TestCluster, tmp_path: Path) -> Iterator[Site]:
    """The same for one test that counts what is there."""
    with _running(cluster, tmp_path) as running:
        running.fill()
        yield running


def signed_in(site: Site, who: str) -> Person:
    """A person with a live browser session."""
    person = Person(site.base_url, site.email(who), PASSWORD)
    answer = person.sign_in()
    assert answer.status_code == 303, answer.text
    return person


def connected(
    site: Site, person: Person, name: str, redirect_uri: str = "http://localhost:3118/callback", **choices: Any
) -> tuple[HttpApp, dict[str, Any]]:
    """A registered app with a session of this person."""
    app = HttpApp(site.base_url, name, redirect_uri=redirect_uri)
    app.register()
    return app, app.session(person, **choices)


def post(person: Person, path: str, **fields: Any) -> Response:
    """Send the form of the page at the same path, as a browser would."""
    page = person.http.get(path)
    assert page.status_code == 200, page.text
    return person.http.post(path, data={**hidden(page.text), **fields})


def in_form_cookie(person: Person) -> str:
    """What the signed form cookie holds, as whoever has the browser can read it."""
    packed = (person.http.cookies.get("gb_form") or "").lstrip(".").partition(".")[0]
    data = urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    with contextlib.suppress(zlib.error):
        data = zlib.decompress(data)
    return data.decode()


def text_of(page: Response) -> str:
    """The words of a page, without its markup."""
    body = page.text.partition("<body>")[2]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def settled(site: Site) -> None:
    """Wait until the views hold everything that was recorded."""
    with site.app.views() as conn:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            waiting = conn.execute("SELECT (SELECT count(*) FROM events) - (SELECT count(*) FROM positions)").fetchone()
            found = lag(conn)
            if waiting == (0,) and found.position >= found.head:
                return
            time.sleep(0.02)
    raise AssertionError("the views did not catch up")
