"""A real witness (c2sp.org/tlog-witness) of another maker, and its maker's verifier, each a process of its own."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.ports import free_ports
from tests.support import needs


def foreign(module: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one of the tools to its end."""
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=folder, env=_environment(), capture_output=True, text=True, timeout=60, check=False
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(needs.FOREIGN)}


@dataclass(frozen=True, slots=True)
class Witness:
    """It runs, and knows some logs. `vkey`: what its cosignatures are checked with."""

    folder: Path
    url: str
    vkey: str

    def add_checkpoint(self, old: int, proof: Sequence[bytes], note: str) -> httpx.Response:
        """What a log sends: its size when the witness last signed for it, the consistency proof from there, the checkpoint."""
        lines = [f"old {old}", *(base64.b64encode(step).decode() for step in proof)]
        return httpx.post(f"{self.url}/add-checkpoint", content="\n".join(lines).encode() + b"\n\n" + note.encode(), timeout=20)

    def evidence(self) -> str:
        """What it has kept of requests that the log signed and that don't fit."""
        return foreign("aics_witness", "evidence", "--config", "witness.json", folder=self.folder).stdout


@contextmanager
def running_witness(folder: Path, origin: str, vkey: str, *more: tuple[str, str]) -> Iterator[Witness]:
    """A witness of this log and of `more`, in an empty folder."""
    folder.mkdir()
    port = free_ports(1)
    begun = foreign(
        "aics_witness", "init", "--config", "witness.json", "--name", "witness.example/w1", "--listen", f"127.0.0.1:{port}", folder=folder
    )
    assert begun.returncode == 0, begun.stderr
    config = json.loads((folder / "witness.json").read_text(encoding="utf-8"))
    config["logs"] = [{"origin": name, "vkeys": [key]} for name, key in ((origin, vkey), *more)]
    (folder / "witness.json").write_text(json.dumps(config), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "aics_witness", "serve", "--config", "witness.json"], cwd=folder, env=_environment(), stdout=log, stderr=log
        )
    try:
        url = f"http://127.0.0.1:{port}"
        while not _answers(url):
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
            assert process.poll() is None, (folder / "log").read_text()
        yield Witness(folder, url, begun.stdout.strip())
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=1)
    except httpx.HTTPError:
        return False
    return True
