from __future__ import annotations

import contextlib
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx

from bench.ports import free_ports
from tests.web.cli.conftest import COMMAND, Grantbook, clean_environment


@contextlib.contextmanager
def serving(folder: Path, *options: str, says: str = "serves http://localhost:{port}. ", **set_to: str) -> Iterator[tuple[str, str]]:
    """The server's address, and what it has printed once it answered; ended by a signal, which must end it well."""
    port = free_ports(2)
    environment = clean_environment(PYTHONUNBUFFERED="1", **{name: value.format(port=port, gateway=port + 1) for name, value in set_to.items()})
    command = [*COMMAND, "serve", "--port", str(port), *options]
    with (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert process.stdout is not None
    with process.stdout as lines:
        try:
            first = lines.readline()
            assert says.format(port=port, gateway=port + 1) in first, (first, (folder / "errors").read_text())
            link = lines.readline()
            yield f"http://localhost:{port}", link
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


def test_an_empty_store_is_set_up_in_the_browser_by_a_link_that_works_once(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, said):
        link = said.split()[-1]
        assert link.startswith(f"{url}/setup?token=")
        with httpx.Client(follow_redirects=False) as browser:
            at = link
            for path, facts in (
                ("/setup", {"account_name": "Acme"}),
                ("/setup/admin", {"name": "Ada", "email": "ada@acme.example", "password": "correct horse battery"}),
            ):
                page = browser.get(at)
                form = dict(re.findall(r'name="(csrf_token|token)" value="([^"]+)"', page.text))
                done = browser.post(f"{url}{path}", data={**form, **facts})
                assert done.status_code == 303, done.text
                at = f"{url}{done.headers['location']}"
            assert browser.get(f"{url}/settings/integrations").status_code == 200
            assert browser.get(link).headers["location"] == "/setup/resource"
        assert httpx.get(link).status_code == 404
        assert [row["slug"] for row in Grantbook(clean_environment(), tmp_path)("account", "list")] == ["acme"]
    assert "warning" not in (tmp_path / "errors").read_text()
    assert stat.S_IMODE((tmp_path / ".grantbook/postgres-start.log").stat().st_mode) == 0o600
    with serving(tmp_path, "--workers", "1", "--threads", "2", "--no-projector") as (url, said):
        assert "No MCP gateway runs" in said
        assert "GRANTBOOK_GATEWAY_PORT" in said
        ready = httpx.get(f"{url}/readyz").json()
        assert ready["ready"]
        assert Grantbook(clean_environment(), tmp_path)("member", "list")[0]["email"] == "ada@acme.example"


def test_behind_a_proxy_it_says_where_it_listens(tmp_path: Path) -> None:
    says = "serves https://auth.example.com and listens on 127.0.0.1:{port}, the gateway on 127.0.0.1:{gateway}. "
    with serving(tmp_path, says=says, GRANTBOOK_BASE_URL="https://auth.example.com", GRANTBOOK_GATEWAY_PORT="{gateway}") as (_, link):
        assert "https://auth.example.com/setup?token=" in link


def test_two_servers_on_one_data_directory_or_port_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, _):
        port = int(url.rsplit(":", 1)[1])
        grantbook = Grantbook(clean_environment(), tmp_path)
        assert "already" in grantbook.refused("serve", "--port", str(port + 1))
        other = tmp_path / "other"
        other.mkdir()
        assert f"Port {port} is in use" in Grantbook(clean_environment(), other).refused("serve", "--port", str(port))


def test_an_address_that_is_not_ours_is_named(tmp_path: Path) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        assert "Nothing can listen" in Grantbook(clean_environment(), tmp_path).refused("serve", "--host", "203.0.113.1", "--port", str(port))
