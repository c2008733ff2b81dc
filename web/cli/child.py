"""`python -m web.cli.child KIND PARENT [SOCKET PIPE]`: what the supervisor starts, and what its web child starts; each ends with its parent."""

from __future__ import annotations

import logging
import os
import sys

from infrastructure.lifeline import end_with_parent
from infrastructure.logs import configure_logs
from infrastructure.settings import Settings, SettingsError, load_settings

GATEWAY_THREADS = 128
"""Each waits for an upstream or holds a stream open; those that ask the database are few (`web.mcp.deciders`)."""
_BACKPRESSURE = 512


class _MeantThreads(logging.Filter):
    """granian warns of more threads than cores can compute with; ours wait."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "Python threads" not in record.getMessage()


def main() -> None:
    """Run one kind until it is told to end."""
    kind, parent = sys.argv[1], int(sys.argv[2])
    end_with_parent(parent, gently=len(sys.argv) < 4)
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(str(error))
    configure_logs(settings.log)
    if kind == "projector":
        _project(settings)
    elif kind == "gateway":
        assert settings.gateway_port is not None
        workers = max(1, settings.workers // 2)
        _serve_gateway(settings.host, settings.gateway_port, workers)
    elif len(sys.argv) > 3:
        _work(settings, int(sys.argv[3]), int(sys.argv[4]))
    else:
        _serve_web(settings)


def gateway_worker() -> object:
    """The gateway's application in a worker process."""
    from infrastructure.bootstrap import bootstrap
    from infrastructure.taking_part import take_part
    from infrastructure.tracing import current
    from web.mcp.app import create_gateway
    from web.mcp.tracing import trace_gateway
    from web.served import served

    end_with_parent(os.getppid(), gently=False)
    app = bootstrap()
    configure_logs(app.settings.log)
    take_part("gateway", app)
    if (tracing := current()) is not None:
        trace_gateway(tracing)
    return served(app.settings, create_gateway(app), "gateway")


def _serve_web(settings: Settings) -> None:
    from web.serving.workers import serve

    serve(settings)


def _work(settings: Settings, listening: int, saying: int) -> None:
    from web.serving.worker import work

    work(settings, listening, saying)


def _serve_gateway(host: str, port: int, workers: int) -> None:
    from granian import Granian
    from granian.constants import Interfaces

    logging.getLogger("_granian").addFilter(_MeantThreads())
    Granian(
        "web.cli.child:gateway_worker",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=GATEWAY_THREADS,
        backpressure=_BACKPRESSURE,
        websockets=False,
        log_access=False,
        log_dictconfig={"version": 1, "disable_existing_loggers": False, "loggers": {"_granian": {"level": "ERROR"}}},
        respawn_failed_workers=True,
        workers_kill_timeout=2,
        factory=True,
    ).serve()


def _project(settings: Settings) -> None:
    from infrastructure.projector import run_projector

    run_projector(settings)


if __name__ == "__main__":
    main()
