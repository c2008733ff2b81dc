"""Fills the demo's store: account, projects, people with random passwords, protected resources; what is there already stays."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any
from uuid import UUID

from application import manage_members, manage_projects, manage_resources, password_rules
from application.lookups import account_of
from application.open_account import open_account
from application.services import Origin, Services
from domain.errors import NotFound
from domain.ids import account_stream
from domain.roles import ACCOUNT_ADMIN, ACCOUNT_VIEWER
from infrastructure.data_dir import write_private

SLUG, ACCOUNT_NAME = "jaffle", "Jaffle Analytics"
PROJECTS = ("Sales", "Marketing", "Finance")
ORIGIN = Origin("cli")


@dataclass(frozen=True, slots=True)
class Person:
    """Someone of the demo; no projects means all."""

    email: str
    name: str
    role: str
    projects: tuple[str, ...] = ()


PEOPLE = (
    Person("admin@jaffle.example", "Ada Admin", ACCOUNT_ADMIN),
    Person("viewer@jaffle.example", "Vera Viewer", ACCOUNT_VIEWER),
    Person("analyst@jaffle.example", "Anna Analyst", "Analyst", ("Sales", "Marketing")),
    Person("developer@jaffle.example", "Dev Developer", "Developer", ("Sales",)),
    Person("operator@jaffle.example", "Olga Operator", "Job Operator"),
)


@dataclass(slots=True)
class DemoFile:
    """`demo.json` in the data directory: what a script or a person needs to use the demo; only its owner may read it."""

    path: Path
    base_url: str = ""
    mcp_url: str = ""
    api_url: str = ""
    passwords: dict[str, str] = field(default_factory=dict)
    projects: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, data_dir: Path) -> DemoFile:
        """The passwords of an earlier start, if there was one."""
        found = cls(data_dir / "demo.json")
        try:
            kept = json.loads(found.path.read_text(encoding="utf-8"))
            found.passwords = {str(u["email"]): str(u["password"]) for u in kept["users"]}
        except (OSError, ValueError, KeyError, TypeError):
            found.passwords = {}
        return found

    def write(self) -> None:
        write_private(self.path, json.dumps(self.content(), indent=2) + "\n")

    def content(self) -> dict[str, Any]:
        users = [{"email": p.email, "password": self.passwords[p.email], "role": p.role} for p in PEOPLE if p.email in self.passwords]
        urls = {"base_url": self.base_url, "issuer": self.base_url, "mcp_url": self.mcp_url, "api_url": self.api_url}
        return {**urls, "users": users, "projects": self.projects, "pid": os.getpid()}


def seed(services: Services, demo: DemoFile, upstream: str) -> None:
    """Bring the demo's store to what this start needs, and say so in the file. A start that was killed half-way is completed."""
    demo.base_url, demo.mcp_url, demo.api_url = services.issuer, services.mcp_url, services.api_url
    unknown = [p for p in PEOPLE if p.email not in demo.passwords]
    demo.passwords |= {p.email: password_rules.made() for p in unknown}
    # The passwords are on the disk before anybody has them.
    demo.write()
    account_id = str(account_stream(SLUG))
    if services.store.tables().accounts() == []:
        admin = PEOPLE[0]
        open_account(
            services,
            slug=SLUG,
            name=ACCOUNT_NAME,
            admin_email=admin.email,
            admin_name=admin.name,
            password=demo.passwords[admin.email],
            origin=ORIGIN,
            own_resources=False,
        )
    _add_projects(services, account_id)
    for person in PEOPLE:
        _add_person(services, account_id, person, demo.passwords[person.email], reset=person in unknown)
    _register_resources(services, account_id, upstream)
    demo.projects = [{"id": i, "name": n} for i, n in account_of(services, account_id).projects.items()]
    demo.write()


def _add_projects(services: Services, account_id: str) -> None:
    """The first start's; later an admin may have removed or renamed some."""
    if not account_of(services, account_id).projects:
        for name in PROJECTS:
            manage_projects.add(services, account_id, name, origin=ORIGIN)


def _add_person(services: Services, account_id: str, person: Person, password: str, *, reset: bool) -> None:
    try:
        member_id: UUID = manage_members.find_member(services, account_id, person.email)
    except NotFound:
        known = account_of(services, account_id).projects.values()
        facts = {"email": person.email, "name": person.name, "role": person.role, "password": password}
        where = [p for p in person.projects if p in known]
        manage_members.add_member(services, account_id, projects=where, origin=ORIGIN, **facts)
        return
    if reset:
        manage_members.set_password(services, account_id, member_id, person.email, password, origin=ORIGIN)


def _register_resources(services: Services, account_id: str, upstream: str) -> None:
    """The MCP endpoint with its upstream, and the API; those of a start on another port make way."""
    operations = json.loads(resources.files("web.demo.upstream").joinpath("operations.json").read_text(encoding="utf-8"))
    scopes = sorted({entry["scope"] for entries in operations.values() for entry in entries.values()})
    wanted: dict[str, Callable[[], object]] = {
        services.mcp_url: lambda: manage_resources.add(
            services, account_id, identifier=services.mcp_url, scopes=scopes, upstream=upstream, operations=operations, origin=ORIGIN
        ),
        services.api_url: lambda: manage_resources.add(
            services, account_id, identifier=services.api_url, scopes=manage_resources.API_SCOPES, origin=ORIGIN
        ),
    }
    for resource in account_of(services, account_id).resources.values():
        ours = resource.identifier.endswith(tuple(path for path in ("/api/ai/v1/mcp", "/api/v1")))
        outdated = resource.identifier == services.mcp_url and (resource.upstream != upstream or resource.operations != operations)
        if (ours and resource.identifier not in wanted) or outdated:
            manage_resources.remove(services, account_id, resource.identifier, origin=ORIGIN)
    present = account_of(services, account_id).resources
    for identifier, register in wanted.items():
        if identifier not in present:
            register()
