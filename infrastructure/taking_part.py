"""A process's part in the server that it belongs to: it writes what it counts, traces, and learns when the server is about to end."""

from __future__ import annotations

from application.counting import COUNTS
from infrastructure.bootstrap import App
from infrastructure.erasure.forgetting import Forgetting
from infrastructure.metrics_files import Writer
from infrastructure.run_folder import RunFolder, draining
from infrastructure.tracing import start_tracing


def take_part(process: str, app: App, folder: RunFolder | None = None) -> None:
    """Once per process, by those that a supervisor has started (or that have a folder of their own); else there is nothing to take part in."""
    start_tracing(app.settings, process)
    folder = folder or RunFolder.ours()
    if folder is None:
        return
    draining.follow(folder)
    Forgetting(app.dsn, app.keyring).start()
    if app.settings.metrics_port is not None:
        count_for(folder, process, app).start()


def count_for(folder: RunFolder, process: str, app: App) -> Writer:
    """What writes this process's counts, the sizes of its caches among them."""
    COUNTS.watch(lambda: app.store.cached_streams, "cache_entries", "streams")
    COUNTS.watch(lambda: app.keyring.cached_keys, "cache_entries", "data_keys")
    COUNTS.watch(lambda: len(app.services.known_access), "cache_entries", "access")
    return Writer(folder.counts, process)
