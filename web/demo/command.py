"""`grantbook demo`: a filled store and a real MCP server behind the gateway, in one command."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.cli.commands import REFUSED, data_dir_option
from web.cli.output import print_line

if TYPE_CHECKING:
    from infrastructure.settings import Settings
    from infrastructure.supervisor import ChildPlan
    from web.cli.stack import Stack
    from web.demo.seed import DemoFile

DEFAULT_PORT = 8000
_LONGEST_SOCKET = 100
_LOG = "demo.log"


@click.command("demo", help="Run the demo: account Jaffle Analytics, five people, three projects, a real MCP server.")
@click.option("--port", type=click.IntRange(1, 65534), default=DEFAULT_PORT, show_default=True, help="The gateway listens on the next one.")
@click.option("--fresh", is_flag=True, help="Delete what earlier starts left in the data directory.")
@data_dir_option
def demo(port: int, fresh: bool, data_dir: Path | None) -> None:
    if importlib.util.find_spec("mcp") is None:
        raise click.ClickException("The demo needs its extra packages: install requirements/demo.txt (`make demo` does).")
    from web.cli.stack import Stack
    from web.demo.seed import DemoFile

    wanted = _overrides(port, data_dir)
    if fresh:
        _erase(Path(wanted["GRANTBOOK_DATA_DIR"]), port)
    settings = _settings(wanted)
    stack = Stack(settings, wanted, log_file=settings.data_dir / _LOG)
    file = DemoFile.read(settings.data_dir)
    with stack.held(migrate=True), _socket(settings.data_dir) as socket:

        def prepare() -> list[ChildPlan]:
            _seed(settings, file, f"unix:{socket}")
            return [_upstream(stack, settings, socket, file)]

        if not stack.run(lambda: _greet(file, settings), prepare):
            print_line(f"The server doesn't answer; {settings.data_dir / _LOG} says why.")
            raise click.exceptions.Exit(REFUSED)
    print_line("The demo has ended; the next start keeps its data.")


def _overrides(port: int, data_dir: Path | None) -> dict[str, str]:
    """The demo's settings stand over those of the environment: always embedded, on this machine, on two ports."""
    from infrastructure.settings import child_environment, embedded_data_dir

    environ = child_environment({"GRANTBOOK_DATABASE_URL": ""})
    folder = Path.cwd() / (data_dir or embedded_data_dir(environ) or ".grantbook")
    return {
        "GRANTBOOK_DATA_DIR": str(folder),
        "GRANTBOOK_DATABASE_URL": "",
        "GRANTBOOK_DATABASE_READ_URL": "",
        "GRANTBOOK_OWNER_DATABASE_URL": "",
        "GRANTBOOK_BASE_URL": f"http://localhost:{port}",
        "GRANTBOOK_HOST": "127.0.0.1",
        "GRANTBOOK_PORT": str(port),
        "GRANTBOOK_GATEWAY_PORT": str(port + 1),
        "GRANTBOOK_TRUSTED_PROXIES": "0",
        "GRANTBOOK_DRAIN_SECONDS": "0",
    }


def _settings(wanted: dict[str, str]) -> Settings:
    from infrastructure.logs import configure_logs
    from infrastructure.settings import SettingsError, child_environment, load_settings

    settings = load_settings(child_environment(wanted))
    if not settings.embedded:
        raise SettingsError(["The demo runs its own database: take database_url out of grantbook.toml, or start it in another folder."])
    configure_logs(settings.log)
    return settings


def _erase(folder: Path, port: int) -> None:
    """Begin anew: the lock first, so that a running demo is never erased under its feet."""
    from infrastructure.embedded import EmbeddedPostgres
    from infrastructure.run_lock import RunLock

    with RunLock(folder, {"url": f"http://localhost:{port}"}):
        EmbeddedPostgres(folder).erase()
        for name in ("demo.json", _LOG):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / "upstream", ignore_errors=True)


@contextlib.contextmanager
def _socket(data_dir: Path) -> Iterator[Path]:
    """Where the upstream listens: in the data directory, or below the temporary one where that path is too long for a socket."""
    path = data_dir / "upstream.sock"
    if len(os.fsencode(path)) <= _LONGEST_SOCKET and "#" not in str(path):
        yield path
        return
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir(), f"grantbook-{os.geteuid()}-{name}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o77 or folder.is_symlink():
        raise click.ClickException(f"{folder} belongs to somebody else: remove it, or choose a shorter --data-dir.")
    try:
        yield folder / "upstream.sock"
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _seed(settings: Settings, file: DemoFile, upstream: str) -> None:
    from infrastructure.bootstrap import bootstrap
    from web.demo.seed import SLUG, seed

    app = bootstrap(settings)
    try:
        accounts = app.services.store.tables().accounts()
        if accounts and accounts[0][1] != SLUG:
            raise click.ClickException(f"{settings.data_dir} holds the account {accounts[0][1]!r}: name another folder with --data-dir.")
        seed(app.services, file, upstream)
    finally:
        app.close()


def _upstream(stack: Stack, settings: Settings, socket: Path, file: DemoFile) -> ChildPlan:
    state = settings.data_dir / "upstream"
    keys = f"http://127.0.0.1:{settings.port}/.well-known/jwks.json"
    options = {"--socket": socket, "--state-dir": state, "--issuer-keys": keys, "--issuer": settings.base_url}
    options |= {"--audience": f"unix:{socket}", "--projects": file.path, "--parent-pid": os.getpid(), "--log": settings.log}
    arguments = [str(part) for option in options.items() for part in option]
    return stack.child("upstream", "web.demo.upstream", *arguments)


def _greet(file: DemoFile, settings: Settings) -> None:
    content = file.content()
    print_line(f"\nGrantbook's demo runs at {content['base_url']}\n\nSign in as")
    for user in content["users"]:
        print_line(f"  {user['email']:<24} {user['password']:<26} {user['role']}")
    print_line(f"\nConnect a client to {content['mcp_url']}")
    print_line(f"  Claude Code      claude mcp add --transport http jaffle {content['mcp_url']}   (then /mcp, Authenticate)")
    print_line(f"  MCP Inspector    npx @modelcontextprotocol/inspector   (Streamable HTTP, {content['mcp_url']})")
    print_line(f"\nThen open {content['base_url']}/settings/integrations as admin@ to watch and to block it.")
    print_line(f"All of this stands in {file.path}; logs go to {settings.data_dir / _LOG}. Ctrl-C ends everything and keeps the data.\n")
