"""Seeds sessions, codes and a protected resource through the product's own use cases: `python -m bench.seed FOLDER PORT codes N OUT`."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from application import manage_members, manage_policies, manage_projects, manage_resources
from application.approve_consent import approve
from application.begin_authorization import PendingRequest, begin
from application.exchange_code import exchange_code
from application.issuing import Asked
from application.open_account import open_account
from application.register_client import register_dynamic
from application.services import Origin, Services
from bench.place import Place
from infrastructure.bootstrap import App

ORIGIN = Origin("oauth", "127.0.0.1", "bench/1.0")
REDIRECT_URI = "http://127.0.0.1:9/cb"
SCOPES = ("account:read", "projects:query", "catalog:read", "projects:develop", "jobs:run")
METADATA = {
    "client_name": "bench",
    "redirect_uris": [REDIRECT_URI],
    "grant_types": ["authorization_code", "refresh_token"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
}
POLICY = {"code_ttl": "1d", "registrations_per_hour": "100000000", "registrations_total": "100000000"}
_SEEDED = "seeded.json"
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Seeded:
    """What stands in the store: the public client, the members, and the credentials for introspection."""

    account_id: str
    client_id: str
    members: list[str]
    resource_id: str
    resource_secret: str


@dataclass(frozen=True, slots=True)
class Code:
    """A code that nobody has exchanged."""

    code: str
    code_verifier: str
    redirect_uri: str = REDIRECT_URI


def seed(place: Place, members: int) -> Seeded:
    """Open the account: three projects, a public client, `members` members and a confidential resource."""
    with place.app() as app:
        services = app.services
        opened = open_account(
            services, slug="bench", name="Bench", admin_email="admin@bench.example", admin_name="Admin", password=None, origin=Origin("cli")
        )
        account_id = str(opened.account.id)
        manage_policies.change_policy(services, account_id, POLICY, origin=Origin("cli"))
        for name in ("Sales", "Marketing", "Finance"):
            manage_projects.add(services, account_id, name, origin=Origin("cli"))
        resource = manage_resources.rotate(services, account_id, services.mcp_url, origin=Origin("cli"))
        client = register_dynamic(services, account_id, METADATA, ORIGIN)

        def member(number: int) -> str:
            added = manage_members.add_member(
                services, account_id, email=f"m{number}@bench.example", name=f"Member {number}", role="Job Operator", origin=Origin("cli")
            )
            return str(added.member_id)

        with ThreadPoolExecutor(_THREADS) as threads:
            made = list(threads.map(member, range(members)))
    seeded = Seeded(account_id, client.client_id, made, resource.resource_id, resource.secret)
    (place.folder / _SEEDED).write_text(json.dumps(asdict(seeded)))
    return seeded


def known(place: Place) -> Seeded:
    """What `seed` made in this folder."""
    return Seeded(**json.loads((place.folder / _SEEDED).read_text()))


def codes(app: App, seeded: Seeded, count: int) -> Iterator[Code]:
    """Codes of the members in turn, each by an authorization request and a consent of its own."""
    with ThreadPoolExecutor(_THREADS) as threads:
        yield from threads.map(lambda n: _code(app.services, seeded, seeded.members[n % len(seeded.members)]), range(count))


def sessions(app: App, seeded: Seeded, count: int) -> Iterator[str]:
    """Refresh tokens of sessions of the members in turn."""
    with ThreadPoolExecutor(_THREADS) as threads:
        yield from threads.map(lambda n: _session(app.services, seeded, seeded.members[n % len(seeded.members)]), range(count))


def write_sessions(place: Place, seeded: Seeded, count: int, out: Path) -> None:
    """JSON lines `{"refresh_token": ...}`."""
    with place.app() as app:
        _write(out, (json.dumps({"refresh_token": token}) for token in sessions(app, seeded, count)))


def write_codes(place: Place, seeded: Seeded, count: int, out: Path) -> None:
    """JSON lines `{"code": ..., "code_verifier": ..., "redirect_uri": ...}`."""
    with place.app() as app:
        _write(out, (json.dumps(asdict(code)) for code in codes(app, seeded, count)))


def await_projector(place: Place, patience_s: float = 120.0) -> None:
    """Wait until the views hold every event, so that no work of the seeding falls into a measurement."""
    query = "SELECT (SELECT count(*) FROM events) - (SELECT coalesce(min(position), 0) FROM projections)"
    deadline = time.monotonic() + patience_s
    with place.superuser() as connection:
        while time.monotonic() < deadline:
            row = connection.execute(query).fetchone()
            if row is not None and row[0] == 0:
                return
            time.sleep(0.05)
    raise SystemExit("The projector has not caught up.")


def settle(place: Place) -> None:
    """Let the views catch up, and do the vacuuming and analyzing that seeding made due, before anything is measured."""
    await_projector(place)
    with place.superuser() as connection:
        connection.execute("VACUUM ANALYZE")


def _code(services: Services, seeded: Seeded, member_id: str) -> Code:
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": ["code"],
        "client_id": [seeded.client_id],
        "redirect_uri": [REDIRECT_URI],
        "scope": [" ".join((*SCOPES, "offline_access"))],
        "code_challenge": [challenge],
        "code_challenge_method": ["S256"],
    }
    pending = begin(services, seeded.account_id, asked, ORIGIN)
    assert isinstance(pending, PendingRequest), pending
    url = approve(
        services,
        pending,
        member_id,
        scopes=SCOPES,
        project_access="all",
        project_ids=(),
        keep_alive=True,
        text="The benchmark's consent.",
        origin=ORIGIN,
    )
    return Code(parse_qs(urlsplit(url).query)["code"][0], verifier)


def _session(services: Services, seeded: Seeded, member_id: str) -> str:
    code = _code(services, seeded, member_id)
    answer = exchange_code(
        services,
        seeded.account_id,
        client_id=seeded.client_id,
        code=code.code,
        code_verifier=code.code_verifier,
        redirect_uri=REDIRECT_URI,
        asked=Asked(),
        origin=ORIGIN,
    )
    assert answer.refresh_token is not None
    return answer.refresh_token


def basic(seeded: Seeded) -> str:
    """The Authorization header of the resource."""
    return f"Basic {base64.b64encode(f'{seeded.resource_id}:{seeded.resource_secret}'.encode()).decode()}"


def _write(out: Path, lines: Iterator[str]) -> None:
    fresh = out.with_name(f"{out.name}.new")
    with fresh.open("w") as file:
        for line in lines:
            file.write(f"{line}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(out)


def main() -> None:
    folder, port, kind, count, out = sys.argv[1:]
    place = Place(Path(folder), int(port))
    write = {"sessions": write_sessions, "codes": write_codes}[kind]
    write(place, known(place), int(count), Path(out))
    settle(place)


if __name__ == "__main__":
    main()
