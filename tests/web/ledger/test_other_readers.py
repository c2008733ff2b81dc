"""docs/evidence.md, Tools that are not ours: they read the log as it is served, prove all of it, and nothing in which a byte was changed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from application.lookups import account_of
from infrastructure.database import connect
from infrastructure.ledger import store
from infrastructure.ledger.bundle import proof_of
from infrastructure.ledger.sealing import Sealing, newest, signer_of
from infrastructure.ledger.tree import WIDTH, width_of
from tests.support import needs
from tests.support.witness import foreign
from tests.web.pages.conftest import ORIGIN, Site, settled, signed_in, site

__all__ = ["site"]

ROOT = Path(__file__).resolve().parents[3]
READERS = Path("tests", "support", "other_readers")
SOME_TILES = ("tile/0/000", "tile/1/000.p/1", "tile/entries/000")


@dataclass(frozen=True)
class Log:
    """The log as it lies in a folder, with its key and a checkpoint of earlier."""

    site: Site
    folder: Path
    vkey: str
    older: Path
    size: int

    def changed(self, name: str, path: str, change: Callable[[bytes], bytes]) -> Path:
        """A copy in which one file is another."""
        copy = self.folder.with_name(name)
        shutil.copytree(self.folder, copy)
        file = copy / path
        file.write_bytes(change(file.read_bytes()))
        return copy


@pytest.fixture(scope="module")
def log(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Log:
    """More than a tile of entries, as a reader of the audit log fetches them."""
    folder = tmp_path_factory.mktemp("log")
    older = folder / "older"
    seal(site)
    older.write_bytes(httpx.get(f"{site.base_url}/ledger/checkpoint").content)
    much_happens(site)
    seal(site)
    with site.app.views() as connection:
        vkey = signer_of(site.app.settings, connection).vkeys[0]
    size = fetch(site, folder / "true")
    assert size > WIDTH
    return Log(site, folder / "true", vkey, older, size)


def much_happens(site: Site) -> None:
    services = site.app.services
    account = account_of(services, site.account_id)
    for number in range(WIDTH):
        account.rename_project(site.projects["Sales"], f"Sales {number}", services.context(site.account_id, ORIGIN))
    services.store.append([account])


def seal(site: Site) -> None:
    settled(site)
    with connect(site.app.dsn) as leading:
        Sealing(site.app.settings, site.app.services).term(leading)(leading, lambda: settled(site))


def fetch(site: Site, folder: Path) -> int:
    """What docs/evidence.md says about fetching: the checkpoint and every tile, each under its own path."""
    reader = signed_in(site, "viewer")
    checkpoint = reader.http.get("/ledger/checkpoint").text
    size = int(checkpoint.split("\n")[1])
    folder.mkdir()
    (folder / "checkpoint").write_text(checkpoint, encoding="utf-8")
    for name, level in (("0", 0), ("1", 1), ("entries", 0)):
        for index in range(2):
            width = width_of(size, level, index)
            path = f"tile/{name}/{index:03}" + (f".p/{width}" if width < WIDTH else "")
            if width:
                answer = reader.http.get(f"/ledger/{path}")
                assert answer.status_code == 200, (path, answer.text)
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(answer.content)
    return size


def scales(log: Log, *folders: Path) -> list[str]:
    done = foreign(f"{READERS / 'scales'}".replace(os.sep, "."), log.vkey, str(log.older), *map(str, folders), folder=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def sumdb(log: Log, *folders: Path) -> list[str]:
    program = log.older.with_name("sumdb")
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(needs.GO_PATH), "GOCACHE": str(program.with_name("gocache")), "GOFLAGS": ""}
    built = subprocess.run(
        ["go", "build", "-o", str(program), str(ROOT / READERS / "sumdb.go")], env=environment, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    done = subprocess.run([str(program), log.vkey, str(log.older), *map(str, folders)], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "read",
    [pytest.param(scales, id="tlog-scales", marks=pytest.mark.foreign), pytest.param(sumdb, id="golang.org/x/mod/sumdb", marks=pytest.mark.go)],
)
def test_another_maker_s_reader_proves_the_whole_log_and_none_with_one_byte_changed(log: Log, read: Callable[..., list[str]], tmp_path: Path) -> None:
    name, middle = tmp_path.name, 4_000
    changed = {
        path: log.changed(f"{name}-{number}", path, lambda was: was[:20] + bytes([was[20] ^ 1]) + was[21:])
        for number, path in enumerate((*SOME_TILES, f"tile/0/001.p/{log.size - WIDTH}", f"tile/entries/001.p/{log.size - WIDTH}"))
    }
    changed["in the middle of a tile"] = log.changed(f"{name}-middle", "tile/0/000", lambda was: was[:middle] + b"!" + was[middle + 1 :])
    changed["an entry's last byte"] = log.changed(f"{name}-last", f"tile/entries/001.p/{log.size - WIDTH}", lambda was: was[:-1] + b"!")
    changed["size"] = log.changed(f"{name}-size", "checkpoint", lambda was: was.replace(f"\n{log.size}\n".encode(), f"\n{log.size - 1}\n".encode()))
    changed["signature"] = log.changed(f"{name}-signature", "checkpoint", lambda was: was[:-6] + (b"A" if was[-6:-5] != b"A" else b"B") + was[-5:])
    first, *others = read(log, log.folder, *changed.values())
    assert first.startswith(f"proven: {log.size} entries, the first ")
    assert [path for path, said in zip(changed, others, strict=True) if not said.startswith("not proven: ")] == []


@pytest.mark.foreign
def test_another_maker_makes_the_same_proof_of_the_log_as_it_is_served(log: Log) -> None:
    made = foreign("tlog_scales.cli", "gen-proof", f"{log.site.base_url}/ledger", "7", folder=log.folder)
    with log.site.app.views() as connection:
        signed = newest(log.site.app.settings, connection)
        assert signed is not None
        assert made.stdout == proof_of(connection, signed, 8)[1], made.stderr
        (leaf,) = (leaf for _, leaf in store.entries(connection, 7, 8))
    read = foreign("tlog_scales.cli", "get-leaf", "--check", str(log.folder), "7", folder=log.folder)
    assert (read.returncode, read.stdout.encode()) == (0, leaf)
