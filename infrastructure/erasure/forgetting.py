"""Every process forgets destroyed data keys as soon as it is told, rather than when its cache is a minute old."""

from __future__ import annotations

import threading

import psycopg

from infrastructure.database import VIEWS, DatabaseUnavailable, connect, first_line, with_parameters
from infrastructure.logs import get_logger
from infrastructure.store.erasure_tables import ERASED_CHANNEL
from infrastructure.store.keyring import Keyring

_LOOK_EVERY_S = 30.0
_AGAIN_S = 2.0

log = get_logger("erasure")


class Forgetting(threading.Thread):
    """Listens until `stop`. After a lost connection everything is forgotten, since what was told meanwhile is not known."""

    def __init__(self, dsn: str, keyring: Keyring, stop: threading.Event | None = None) -> None:
        super().__init__(name="forgetting", daemon=True)
        self._dsn = with_parameters(dsn, application_name=VIEWS)
        self._keyring = keyring
        self._stop_asked = stop or threading.Event()
        self.listening = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            try:
                self._listen()
            except (psycopg.OperationalError, psycopg.InterfaceError, DatabaseUnavailable) as error:
                self.listening.clear()
                log.info("erasure.listener_lost", error=first_line(error))
                self._stop_asked.wait(_AGAIN_S)

    def _listen(self) -> None:
        with connect(self._dsn) as connection:
            connection.execute(f"LISTEN {ERASED_CHANNEL}".encode())
            self._keyring.forget_all()
            self.listening.set()
            while not self._stop_asked.is_set():
                for told in connection.notifies(timeout=_LOOK_EVERY_S, stop_after=1):
                    if told.payload:
                        self._keyring.forget(told.payload)
                    else:
                        self._keyring.forget_all()
