"""`python -m web.demo.upstream`: starts the demo's protected resource."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from infrastructure.clock import now
from infrastructure.logs import configure_logs
from web.demo.upstream import STARTED_BY
from web.demo.upstream.app import build_app
from web.demo.upstream.assertion import SpentIds, Verifier
from web.demo.upstream.dataset import SEED
from web.demo.upstream.keys import KeysUnavailable, key_source
from web.demo.upstream.lifeline import end_soon
from web.demo.upstream.listen import CannotListen, listen_on_path, listen_on_port
from web.demo.upstream.projects import Project, ProjectDirectory, ProjectsUnreadable
from web.demo.upstream.serve import serve
from web.demo.upstream.state import StateStore, StateUnusable
from web.demo.upstream.world import World


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--socket", "socket_path", type=click.Path(path_type=Path), help="Listen on this Unix socket.")
@click.option("--port", type=click.IntRange(1, 65535), help="Listen on this port of 127.0.0.1 instead.")
@click.option("--state-dir", type=click.Path(path_type=Path), required=True, help="Where changed models, jobs and runs are kept.")
@click.option("--issuer-keys", required=True, metavar="FILE_OR_URL", help="JWKS of the gateway: a file, or an address at http://127.0.0.1.")
@click.option("--issuer", required=True, help="The `iss` that assertions must carry.")
@click.option("--audience", required=True, help="The `aud` that assertions must carry: this resource.")
@click.option(
    "--projects", "projects_file", type=click.Path(path_type=Path), help='JSON: [{"id", "name"}] or {"projects": [...]}; read again on change.'
)
@click.option("--project", "projects", multiple=True, metavar="ID=NAME", help="A project; may repeat.")
@click.option("--account-name", default="Jaffle Analytics", show_default=True)
@click.option("--seed", default=SEED, show_default=True, help="Another seed gives other figures.")
@click.option("--parent-pid", type=int, help="End when this process is no longer the parent.  [default: the present parent]")
@click.option("--log", type=click.Choice(["pretty", "json"]), default="pretty", show_default=True)
def main(
    *,
    socket_path: Path | None,
    port: int | None,
    state_dir: Path,
    issuer_keys: str,
    issuer: str,
    audience: str,
    projects_file: Path | None,
    projects: tuple[str, ...],
    account_name: str,
    seed: str,
    parent_pid: int | None,
    log: Literal["pretty", "json"],
) -> None:
    """The demo's protected resource: an MCP server over generated data, open to the gateway's assertions only."""
    configure_logs(log)
    if (socket_path is None) == (port is None):
        raise click.UsageError("Give either --socket or --port.")
    try:
        verifier = Verifier(key_source(issuer_keys), issuer, audience, now, now(), SpentIds())
        directory = ProjectDirectory(tuple(_project(text) for text in projects), projects_file)
        store = StateStore(state_dir)
        listener = listen_on_port(port) if port is not None else listen_on_path(Path(socket_path or ""))
    except (CannotListen, KeysUnavailable, ProjectsUnreadable, StateUnusable) as error:
        raise click.ClickException(str(error)) from error
    app = build_app(World(account_name, seed, directory, store, now), verifier)
    serve(app, listener, STARTED_BY if parent_pid is None else parent_pid)
    end_soon()
    if socket_path is not None:
        socket_path.unlink(missing_ok=True)
    store.close()


def _project(text: str) -> Project:
    project_id, found, name = text.partition("=")
    if not (project_id and found and name):
        raise click.UsageError("--project takes ID=NAME.")
    return Project(project_id, name)


if __name__ == "__main__":
    main()
