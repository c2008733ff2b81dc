"""Questions about the past with many events: `python -m bench.past 300000` writes a year of them, then asks who could do what then.

The events are made by the domain (bench/past_life.py), encoded and sealed by the product's own mapper, put in order by its sequencer and shown by
its projections: 1,000 people, 300 registrations, 3,000 sessions at any time, which refresh. `--folder DIR` keeps them; `--reuse` only measures.
"""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path

from bench.audit import shown, written
from bench.past_life import PastLife
from bench.past_times import measured, page
from bench.place import Place, free_port, temporary_folder
from bench.seed import await_projector

_WRITTEN, _SHOWN = "written", "shown"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=int, nargs="?", default=300_000)
    parser.add_argument("--folder", type=Path, help="where the events are kept; what an earlier run has written there is not written again")
    parser.add_argument("--reuse", action="store_true", help="measure what is in the folder, and write nothing")
    parser.add_argument("--moments", type=int, default=10, help="moments of the past to ask about")
    parser.add_argument("--nice", type=int, default=0, help="while writing")
    given = parser.parse_args()
    with contextlib.nullcontext(given.folder) if given.folder else temporary_folder() as folder:
        if given.reuse and not (folder / _SHOWN).exists():
            parser.error("--reuse needs the --folder of a run that has written and shown everything.")
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        run(Place(folder, free_port()), given.events, given.moments, given.nice)


def run(place: Place, events: int, moments: int, nice: int) -> None:
    """Write and show what isn't there yet; then measure, as nicely as we were started."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    os.nice(nice)
    with place.database():
        for step, work in ((_WRITTEN, lambda: written(place, events, PastLife)), (_SHOWN, lambda: shown(place))):
            if not (place.folder / step).exists():
                work()
                (place.folder / step).touch()
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, before)
    with place.database():
        measured(place, moments)
        with place.served():
            await_projector(place, patience_s=3600.0)
            page(place, moments)


if __name__ == "__main__":
    main()
