"""What all processes log during a whole flow: no secret, nothing about a person, and every line can be found by its request."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from infrastructure.embedded_places import Places
from tests.support.demo import Demo, running_demo
from tests.support.http_flow import App, Person, hidden

WRONG = "wrong-horse-battery-staple"
CONTACT = "maker@tool.example"
PEOPLE = ("Ada Admin", "Vera Viewer", "Anna Analyst", "Dev Developer", "Olga Operator", "Nora Newcomer", "nora@jaffle.example")
RESOURCE = "https://tool.example/api"


@dataclass
class Walk:
    """What was sent and given that may stand in no log."""

    demo: Demo
    secrets: dict[str, str] = field(default_factory=dict)
    request_ids: list[str] = field(default_factory=list)

    def keep(self, name: str, text: str) -> str:
        assert len(text) >= 8, name
        self.secrets[name] = text
        return text

    def seen(self, answer: httpx.Response) -> httpx.Response:
        self.request_ids.append(answer.headers["x-request-id"])
        return answer


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRANTBOOK_LOG", "json")
        with running_demo(tmp_path_factory.mktemp("demo")) as demo:
            done = Walk(demo)
            person = signs_in(done)
            app, tokens = connects(done, person)
            works(done, app, tokens)
            administers(done)
            goes_wrong(done, app)
            yield done


def signs_in(walk: Walk) -> Person:
    email, password = walk.demo.user("operator")
    person = Person(walk.demo.base_url, walk.keep("e-mail", email), WRONG)
    assert walk.seen(person.sign_in()).status_code != 303
    person.password = walk.keep("password", password)
    assert walk.seen(person.sign_in()).status_code == 303
    walk.keep("cookie", person.http.cookies["gb_session"])
    return person


def connects(walk: Walk, person: Person) -> tuple[App, dict[str, Any]]:
    app = App(walk.demo.base_url, scope="account:read projects:query offline_access")
    app.register(contacts=[CONTACT])
    url, verifier = app.authorize_url(resource=walk.demo.mcp_url)
    back = person.decide(url)
    walk.keep("verifier", verifier)
    tokens = walk.seen(app.exchange(walk.keep("code", back["code"]), verifier)).json()
    walk.seen(app.exchange(back["code"], "another-verifier-that-is-wrong-but-long-enough-to-be-one"))
    return app, tokens


def works(walk: Walk, app: App, tokens: dict[str, Any]) -> None:
    first = walk.keep("refresh token", tokens["refresh_token"])
    access = walk.keep("access token", tokens["access_token"])
    walk.keep("signature", access.rpartition(".")[2])
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "query_metrics", "arguments": {"metric": "revenue"}}}
    headers = {"Accept": "application/json, text/event-stream", "Authorization": f"Bearer {access}"}
    with httpx.Client(timeout=30) as http:
        answers = (walk.seen(http.post(walk.demo.mcp_url, json=call, headers=headers)) for _ in range(10))
        assert any(answer.status_code == 200 for answer in answers)  # the upstream starts last
        assert walk.seen(http.post(f"{walk.demo.mcp_url}?access_token={access}", json=call)).status_code == 401
        resource = walk.demo.cli("resource", "add", "--identifier", RESOURCE, "--scope", "account:read")
        credentials = base64.b64encode(f"{resource['id']}:{walk.keep('resource secret', resource['secret'])}".encode()).decode()
        walk.keep("basic credentials", credentials)
        asked = http.post(f"{walk.demo.base_url}/oauth/introspect", data={"token": access}, headers={"Authorization": f"Basic {credentials}"})
        assert walk.seen(asked).status_code == 200
    second = walk.keep("second refresh token", walk.seen(app.refresh(first)).json()["refresh_token"])
    walk.seen(app.refresh(second))
    assert walk.seen(app.refresh(first)).status_code == 400
    walk.seen(app.http.post("/oauth/revoke", data={"token": second, "client_id": app.client_id}))


def administers(walk: Walk) -> None:
    email, password = walk.demo.user("admin")
    admin = Person(walk.demo.base_url, walk.keep("admin's e-mail", email), walk.keep("admin's password", password))
    assert admin.sign_in("/settings/integrations").status_code == 303
    walk.keep("admin's cookie", admin.http.cookies["gb_session"])
    for page in ("integrations", "sessions", "audit", "audit?user=nora%40jaffle.example", "access-urls"):
        walk.seen(admin.http.get(f"/settings/{page}", follow_redirects=True))
    walk.demo.cli("member", "add", "--email", "nora@jaffle.example", "--name", "Nora Newcomer", "--role", "Member")
    out = admin.http.get("/connected-apps")
    walk.seen(admin.http.post("/sign-out", data=hidden(out.text)))


def goes_wrong(walk: Walk, app: App) -> None:
    """Secrets in places where they don't belong."""
    secret = walk.keep("misplaced", "misplaced-s3cret-value-0123456789")
    for path in (f"/setup?token={secret}", f"/nowhere/{secret * 3}", f"/oauth/token?client_secret={secret}", "/settings/members/nora@jaffle.example"):
        walk.seen(app.http.get(path))
    walk.seen(app.http.post("/oauth/token", content=f"grant_type=refresh_token&refresh_token={secret}&refresh_token={secret}"))
    walk.seen(app.http.post("/oauth/register", content=f'{{"client_name": "{secret}'))
    walk.seen(app.http.get("/api/v1/members", headers={"Authorization": f"Bearer {secret}"}))
    walk.seen(app.http.post("/sign-in", data={"email": "nora@jaffle.example", "password": secret}))


def logs(demo: Demo) -> dict[str, str]:
    """Every log file below the demo's folder, and what it printed; the file with the passwords is no log."""
    files = [path for path in demo.data_dir.parent.rglob("*") if path.is_file() and (path.suffix == ".log" or path.name == "log")]
    return {str(path.relative_to(demo.data_dir.parent)): path.read_text(errors="replace") for path in files}


def lines(walk: Walk) -> list[dict[str, Any]]:
    text = (walk.demo.data_dir / "demo.log").read_text()
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def test_no_log_of_any_process_holds_a_secret_or_something_about_a_person(walk: Walk) -> None:
    found = logs(walk.demo)
    assert any("/oauth/token" in text for text in found.values())
    greeting = Path("demo.log").name  # what the demo prints for whoever has started it, passwords included
    forbidden = {**walk.secrets, "contact": CONTACT, "typed": WRONG, **{person: person for person in PEOPLE}}
    held = [(name, file) for file, text in found.items() if file != greeting for name, secret in forbidden.items() if secret in text]
    assert held == []


def test_the_databases_own_log_holds_none_of_them_either(walk: Walk) -> None:
    texts = [path.read_text(errors="replace") for path in (Places(walk.demo.data_dir).cluster / "log").glob("*.log")]
    assert texts
    assert not [name for text in texts for name, secret in walk.secrets.items() if secret in text]


def test_every_line_is_json_with_time_level_and_module_and_every_request_is_found_by_its_id(walk: Walk) -> None:
    text = (walk.demo.data_dir / "demo.log").read_text()
    assert [line for line in text.splitlines() if not line.startswith("{")] == []
    told = lines(walk)
    assert [line for line in told if not {"timestamp", "level", "event"} <= set(line)] == []
    assert {"web", "gateway", "projector"} <= {line.get("module") for line in told}
    logged = {line["request"] for line in told if "request" in line}
    assert set(walk.request_ids) <= logged
    assert len(walk.request_ids) >= 20


def test_the_request_id_stands_in_problems_and_error_pages(walk: Walk) -> None:
    problem = httpx.get(f"{walk.demo.base_url}/api/v1/members")
    assert problem.json()["request_id"] == problem.headers["x-request-id"]
    page = httpx.get(f"{walk.demo.base_url}/nowhere")
    assert page.status_code == 404
    assert page.headers["x-request-id"] in page.text


def test_what_a_client_puts_into_a_path_is_masked(walk: Walk) -> None:
    paths = {line["path"] for line in lines(walk) if "path" in line}
    assert "/nowhere/…" in paths
    assert "/settings/members/…" in paths
    assert not [path for path in paths if "?" in path]
    assert os.fspath(walk.demo.data_dir) not in "".join(paths)
