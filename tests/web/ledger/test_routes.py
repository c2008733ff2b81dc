from __future__ import annotations

import struct

import httpx
import pytest

from infrastructure.database import connect
from infrastructure.ledger import store
from infrastructure.ledger.deposits import record
from infrastructure.ledger.deposits.places import Receipt
from infrastructure.ledger.sealing import Sealing, name_of, signer_of
from infrastructure.ledger.verifier import leaf_hash, open_checkpoint, root_of
from tests.support.http_flow import App
from tests.web.pages.conftest import Site, bare_site, settled, signed_in, site

__all__ = ["bare_site", "site"]


@pytest.fixture(scope="module")
def sealed(site: Site) -> Site:
    settled(site)
    with connect(site.app.dsn) as leading:
        Sealing(site.app.settings, site.app.services).term(leading)(leading, lambda: settled(site))
    return site


def get(site: Site, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{site.base_url}/ledger/{path}", headers=headers)


def size_of(site: Site) -> int:
    return int(get(site, "checkpoint").text.split("\n")[1])


def test_the_checkpoint_and_the_tile_of_everything_agree(sealed: Site) -> None:
    answer = get(sealed, "checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "max-age=2" in answer.headers["cache-control"]
    with sealed.app.views() as connection:
        vkey = signer_of(sealed.app.settings, connection).vkeys[0]
    found = open_checkpoint(answer.text, vkey)
    tile = get(sealed, f"tile/0/000.p/{found.size}")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert tile.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert tile.headers["access-control-allow-origin"] == "*"
    hashes = [tile.content[n : n + 32] for n in range(0, len(tile.content), 32)]
    assert root_of(hashes) == found.root
    assert get(sealed, "tile/0/000.p/3").content == tile.content[:96]


def test_the_newest_checkpoint_that_a_witness_cosigned_is_served_beside_the_newest(sealed: Site) -> None:
    assert get(sealed, "checkpoint/witnessed").status_code == 404
    with connect(sealed.app.dsn) as connection:
        log = name_of(sealed.app.settings, connection)
        signed, line = store.newest(connection, log), "\u2014 witness.example/w1 AAAA\n"
        assert signed is not None
        record.keep(connection, log, "witness", "witness.example/w1", signed.size, signed.root, Receipt(line, "w1"))
    answer = get(sealed, "checkpoint/witnessed")
    assert (answer.status_code, answer.text) == (200, signed.note + line)
    assert get(sealed, "checkpoint").text == answer.text


def test_entries_are_for_readers_of_the_audit_log_alone(sealed: Site) -> None:
    width = size_of(sealed)
    path = f"tile/entries/000.p/{width}"
    for who in ("admin", "viewer"):
        reader = signed_in(sealed, who)
        answer = reader.http.get(f"/ledger/{path}")
        assert answer.status_code == 200
        assert answer.headers["cache-control"].startswith("private")
        hashes = get(sealed, f"tile/0/000.p/{width}").content
        for number, leaf in enumerate(entries(answer.content)):
            assert leaf_hash(leaf) == hashes[number * 32 : number * 32 + 32]
        assert len(list(entries(answer.content))) == width
    analyst = signed_in(sealed, "analyst")
    for refused in (get(sealed, path), analyst.http.get(f"/ledger/{path}"), get(sealed, path, Authorization="Bearer x")):
        assert refused.status_code == 403
        assert "audit log" in refused.text


def entries(raw: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(raw):
        (length,) = struct.unpack_from(">H", raw, at)
        found.append(raw[at + 2 : at + 2 + length])
        at += 2 + length
    return found


def test_a_program_reads_entries_with_an_access_token(sealed: Site) -> None:
    api = sealed.app.services.api_url
    app = App(sealed.base_url, "Reader", redirect_uri="http://localhost:3118/callback")
    app.register()
    for who, status in (("viewer", 200), ("analyst", 403)):
        url, verifier = app.authorize_url(resource=api, scope="account:read")
        person = signed_in(sealed, who)
        tokens = app.exchange(person.decide(url, scopes=["account:read"])["code"], verifier).json()
        assert get(sealed, "tile/entries/000.p/3", Authorization=f"Bearer {tokens['access_token']}").status_code == status


@pytest.mark.parametrize(
    "path",
    ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1", "tile/64/000.p/1", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/255", "tile/0/0",
     "tile/00/000.p/1", "tile/0/x000/000.p/1", "tile/0/000.p/01", "tile/entries/000", "tile/nodes/000.p/1", "tile/0/000.p/1/", "tile/", "other",
     "tile/0/" + "x999/" * 30 + "999.p/1"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(sealed: Site, path: str) -> None:
    assert get(sealed, path).status_code == 404


def test_before_anything_is_signed_the_log_says_so(bare_site: Site) -> None:
    answer = get(bare_site, "checkpoint")
    assert answer.status_code == 404
    assert "within two seconds" in answer.text
