"""`python -m web.cli.child KIND`: what the supervisor starts; each kind ends with its parent."""

from __future__ import annotations

import gc
import logging
import os
import sys

from infrastructure.lifeline import end_with_parent
from infrastructure.logs import configure_logs
from infrastructure.settings import Settings, SettingsError, load_settings

GATEWAY_THREADS = 128
"""Each waits for an upstream or holds a stream open; those that ask the database are few (`web.mcp.deciders`)."""
WEB_THREADS = 8
"""As many wait for commits together without waiting for the interpreter, as measured (docs/decisions/0011)."""
_BACKPRESSURE, _GATEWAY_BACKPRESSURE = 128, 512


class _MeantThreads(logging.Filter):
    """granian warns of more threads than cores can compute with; ours wait, and their number was measured. Of more than that it may warn."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "Python threads" not in record.getMessage()


def main() -> None:
    """Run one kind until it is told to end."""
    kind, parent = sys.argv[1], int(sys.argv[2])
    end_with_parent(parent)
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
        _serve("web.cli.child:gateway_worker", settings.host, settings.gateway_port, workers, GATEWAY_THREADS, _GATEWAY_BACKPRESSURE)
    else:
        _serve("web.cli.child:web_worker", settings.host, settings.port, settings.workers, settings.threads, _BACKPRESSURE)


def web_worker() -> object:
    """The web application in a worker process, which ends with granian's main process."""
    from web.app import application

    end_with_parent(os.getppid(), gently=False)
    made = application()
    _settle()
    return made


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


def _serve(target: str, host: str, port: int, workers: int, threads: int, backpressure: int) -> None:
    from granian import Granian
    from granian.constants import Interfaces

    if threads <= (GATEWAY_THREADS if target.endswith(":gateway_worker") else WEB_THREADS):
        logging.getLogger("_granian").addFilter(_MeantThreads())
    Granian(
        target,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        backpressure=backpressure,
        websockets=False,
        log_access=False,
        log_dictconfig={"version": 1, "disable_existing_loggers": False, "loggers": {"_granian": {"level": "ERROR"}}},
        respawn_failed_workers=True,
        workers_kill_timeout=2,
        factory=True,
    ).serve()


def _settle() -> None:
    """What was loaded at the start lives to the end: the garbage collector need not walk it time and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def _project(settings: Settings) -> None:
    from infrastructure.projector import run_projector

    run_projector(settings)


if __name__ == "__main__":
    main()
