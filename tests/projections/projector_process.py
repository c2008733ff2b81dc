"""A projector in a process of its own, for tests that kill it: arguments are the DSN and the name under which it leads."""

from __future__ import annotations

import sys
import threading

from infrastructure.projector import Projector, stopping_on_signals
from infrastructure.store.keyring import Keyring
from projections.events import PersonalReader
from tests.infrastructure.store.given import WRAPPING_KEYS


def main(dsn: str, holder: str) -> None:
    keyring = Keyring(dsn, WRAPPING_KEYS)
    stop = threading.Event()
    with stopping_on_signals(stop):
        Projector(dsn, lambda: PersonalReader(keyring.open, keyring.prefetch), holder=holder).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
