"""The page about the ledger, in each of its states, and the check that it begins."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import psycopg
import pytest

from infrastructure.database import connect
from infrastructure.ledger import live, standing, store, whole_check
from infrastructure.ledger.deposits import record
from infrastructure.ledger.deposits.folder import Folder
from infrastructure.ledger.deposits.places import Deposit
from infrastructure.ledger.sealing import REFUSED, Sealing, signer_of
from infrastructure.ledger.verifier import open_checkpoint
from infrastructure.settings_deposits import Deposits
from infrastructure.views_check import last_check
from projections.status import Lag
from tests.support.http_flow import Person
from tests.web.pages.conftest import Site, post, settled, signed_in, text_of
from web.pages import frame, ledger, ledger_views

PAGE = "/settings/ledger"
VERIFY = f"{PAGE}/verify"
SOUND = "Every event is what was recorded and signed."


@pytest.fixture(scope="module")
def admin(site: Site) -> Person:
    person = signed_in(site, "admin")
    sealed(site)
    return person


def sealed(site: Site) -> None:
    """Sign what there is, as the leading projector does."""
    settled(site)
    with connect(site.app.dsn) as leading:
        Sealing(site.app.settings, site.app.services).term(leading)(leading, lambda: settled(site))


@contextmanager
def said(site: Site, key: str, value: str) -> Iterator[None]:
    """A value of `store_meta`, and what was there before afterwards."""
    tables = site.app.store.tables()
    before = tables.meta(key)
    tables.set_meta(key, value)
    try:
        yield
    finally:
        if before is not None:
            tables.set_meta(key, before)
        else:
            with psycopg.connect(site.superuser_dsn, autocommit=True) as conn:
                conn.execute("DELETE FROM store_meta WHERE key = %s", (key,))


@contextmanager
def set_to(site: Site, **settings: Any) -> Iterator[None]:
    before = site.app.settings
    object.__setattr__(site.app, "settings", replace(before, **settings))
    try:
        yield
    finally:
        object.__setattr__(site.app, "settings", before)


def of(page: str, id_: str) -> str:
    """The text of the element with this id, or the value of the field."""
    found = re.search(rf'<input[^>]* id="{id_}"[^>]* value="([^"]*)"', page) or re.search(rf' id="{id_}"[^>]*>(.*?)</', page, re.DOTALL)
    assert found, id_
    return unescape(found[1])


def checked(site: Site, admin: Person) -> str:
    """The words of the page once a check that it began has ended."""
    assert post(admin, PAGE).status_code == 405
    answer = admin.http.post(VERIFY, data={"csrf_token": token(admin)})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}#verified")
    for thread in threading.enumerate():
        if isinstance(thread, whole_check.WholeCheck):
            thread.join(60)
    return text_of(admin.http.get(PAGE))


def token(person: Person) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', person.http.get(PAGE).text)
    assert found
    return found[1]


@contextmanager
def tampered(site: Site, change: str, undo: str) -> Iterator[None]:
    """As the database's superuser, with its guards switched off."""
    for sql in (change, undo):
        with psycopg.connect(site.superuser_dsn, autocommit=True) as conn, conn.transaction():
            conn.execute("ALTER TABLE events DISABLE TRIGGER ALL")
            conn.execute(sql.encode())
            conn.execute("ALTER TABLE events ENABLE ALWAYS TRIGGER events_append_only")
        if sql == change:
            yield


def test_the_newest_checkpoint_can_be_taken_home_and_checked_with_the_key_beside_it(site: Site, admin: Person) -> None:
    page = admin.http.get(PAGE).text
    note, vkey = of(page, "note"), of(page, "vkey")
    found = open_checkpoint(note, vkey)
    assert found.root.hex() in page
    link = re.search(rf'href="({PAGE}/checkpoints/{found.size})"', page)
    assert link
    file = admin.http.get(link[1])
    assert (file.text, file.headers["content-type"]) == (note, "text/plain; charset=utf-8")
    assert file.headers["content-disposition"] == f'attachment; filename="checkpoint-{found.size}"'
    assert f"--vkey {vkey} --since KEPT_CHECKPOINT" in of(page, "commands")
    assert "Signed" in text_of(admin.http.get(PAGE))


@pytest.mark.parametrize("size", ["0", "99999999", str(2**63), str(10**40)])
def test_a_checkpoint_that_there_is_not_is_not_found(site: Site, admin: Person, size: str) -> None:
    assert admin.http.get(f"{PAGE}/checkpoints/{size}").status_code == 404


def test_a_viewer_reads_it_without_the_button(site: Site, admin: Person) -> None:
    viewer = signed_in(site, "viewer")
    page = viewer.http.get(PAGE).text
    assert "Newest checkpoint" in page
    assert page.count('method="post"') == 1
    assert viewer.http.post(VERIFY).status_code == 403
    assert 'action="/settings/ledger/verify"' in admin.http.get(PAGE).text


def test_checkpoints_are_listed_to_the_first_newest_first(site: Site, admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_views, "_PAGE_SIZE", 1)
    for _ in range(2):
        signed_in(site, "viewer")
        sealed(site)
    with site.app.views() as conn:
        log = standing.standing(site.app.settings, conn).origin
        all_of_them = [each.size for each in store.newest_first(conn, log, None, 1000)]
    found, where = [], PAGE
    while where:
        page = admin.http.get(where).text
        sizes = [int(size) for size in re.findall(r'class="pos" href="/settings/ledger/checkpoints/(\d+)"', page)]
        assert len(sizes) <= 1
        found += sizes
        older = re.search(r'href="([^"]+)">Older<', page)
        where = older[1] if older else ""
    assert found == all_of_them
    assert len(found) > 2
    assert "There is no older one." in text_of(admin.http.get(f"{PAGE}?before=1"))
    for odd in ("x", "-1", "9" * 30, "\u0663"):
        assert admin.http.get(PAGE, params={"before": odd}).status_code == 200


def test_a_whole_record_is_found_to_be_whole(site: Site, admin: Person) -> None:
    page = checked(site, admin)
    assert SOUND in page
    with site.app.views() as conn:
        found = whole_check.last_verified(conn)
        head = conn.execute("SELECT max(position), count(*) FROM positions").fetchone()
    assert found is not None
    assert head is not None
    assert (found.findings, found.positions) == ({}, [])
    assert found.events <= head[1]
    assert f"{found.events:,}, up to position {found.position:,}" in page


@pytest.mark.parametrize(
    ("change", "undo", "words"),
    [
        (
            "UPDATE events SET state = state || ' ' WHERE topic = 'account.opened'",
            "UPDATE events SET state = substring(state FOR length(state) - 1) WHERE topic = 'account.opened'",
            "1 not what was hashed",
        ),
        (
            "UPDATE events SET state = state || '!' WHERE topic = 'ledger.summed'",
            "UPDATE events SET state = substring(state FOR length(state) - 1) WHERE topic = 'ledger.summed'",
            "sums of an account that do not fit",
        ),
    ],
)
def test_what_was_changed_is_counted_and_placed_and_no_stream_is_named(site: Site, admin: Person, change: str, undo: str, words: str) -> None:
    with tampered(site, change, undo):
        page = checked(site, admin)
        assert words in page
        assert SOUND not in page
        assert "grantbook ledger verify on the server names each of them." in page
        assert "The ledger is not what was recorded and signed" in text_of(admin.http.get("/settings"))
        streams = [str(row[0]) for row in _rows(site, "SELECT DISTINCT originator_id FROM events")]
        shown = admin.http.get(PAGE).text
        assert [stream for stream in streams if stream in shown] == []
    assert SOUND in checked(site, admin)


def _rows(site: Site, sql: str) -> list[Any]:
    with psycopg.connect(site.superuser_dsn) as conn:
        return conn.execute(sql.encode()).fetchall()


def test_a_second_check_does_not_begin_while_one_runs(site: Site, admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, real, runs = threading.Event(), live.findings, []

    def gated(*how: Any) -> Iterator[Any]:
        runs.append(1)
        assert go_on.wait(60)
        yield from real(*how)

    monkeypatch.setattr(live, "findings", gated)
    monkeypatch.setattr(ledger, "PATIENCE", 0.0)
    form = {"csrf_token": token(admin)}
    try:
        assert admin.http.post(VERIFY, data=form).status_code == 303
        assert "The check has begun." in text_of(admin.http.get(PAGE))
        assert admin.http.post(VERIFY, data=form).status_code == 303
        page = text_of(admin.http.get(PAGE))
        assert "A check is running." in page
        assert re.search(r"Running \d+ % read\. Began .* Look again", page)
    finally:
        go_on.set()
        for thread in threading.enumerate():
            if isinstance(thread, whole_check.WholeCheck):
                thread.join(60)
    page = text_of(admin.http.get(PAGE))
    assert "Look again" not in page
    assert SOUND in page
    assert len(runs) == 1


def test_a_check_that_loses_its_connection_says_so_and_another_can_begin(site: Site, admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(connection: psycopg.Connection[Any], *_: Any) -> Iterator[Any]:
        with psycopg.connect(site.superuser_dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
        connection.execute("SELECT 1")
        yield

    with monkeypatch.context() as patched:
        patched.setattr(live, "findings", cut)
        page = checked(site, admin)
        assert "The check was interrupted." in page
        assert "Look again" not in page
    assert SOUND in checked(site, admin)


def test_what_is_signed_while_a_check_reads_is_no_finding(site: Site, admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    real = store.leaves
    signed: list[bool] = []

    def leaves(*how: Any) -> list[store.Leaf]:
        read = real(*how)
        if threading.current_thread().name == "ledger check" and not signed:
            signed.append(True)
            signed_in(site, "viewer")
            sealed(site)
            site.app.close()  # this thread's connections
        return read

    monkeypatch.setattr(store, "leaves", leaves)
    monkeypatch.setattr(ledger, "PATIENCE", 0.0)
    page = checked(site, admin)
    assert signed
    assert SOUND in page


def test_a_refusal_stands_there_with_its_ways_out(site: Site, admin: Person) -> None:
    why = "This database was signed up to 3: it was set back. Either bring the missing events back, or `grantbook ledger adopt`."
    with said(site, REFUSED, why):
        page = text_of(admin.http.get(PAGE))
        assert f"Nothing is signed. {why.partition('`')[0]}\u201cgrantbook ledger adopt\u201d." in page
        assert "Not signed" in page
        assert f'href="{PAGE}">Ledger' in admin.http.get("/settings").text
    assert "Nothing is signed." not in text_of(admin.http.get(PAGE))


def test_a_checkpoint_of_another_key_is_told(site: Site, admin: Person) -> None:
    with set_to(site, ledger_key=(bytes(32),)):
        page = text_of(admin.http.get(PAGE))
    assert "The newest checkpoint is signed by no key that this server knows. GRANTBOOK_LEDGER_KEY differs" in page


@pytest.mark.parametrize(
    ("late_after", "words"),
    [(1e9, "Nothing has been signed yet"), (0.0, "without a checkpoint, the oldest for")],
)
def test_a_log_that_has_signed_nothing_says_so_and_when_it_is_late(
    site: Site, admin: Person, monkeypatch: pytest.MonkeyPatch, late_after: float, words: str
) -> None:
    monkeypatch.setattr(standing, "LATE_S", late_after)
    with set_to(site, ledger_origin_override="another.example/ledger"):
        page = admin.http.get(PAGE)
    assert words in text_of(page)
    assert "None yet." in text_of(page)
    assert "another.example/ledger+" in of(page.text, "vkey")


@pytest.mark.parametrize(
    ("differences", "not_compared", "words"),
    [
        ({"sessions": 0, "members": 0}, {}, "As the events say Views 2"),
        ({"sessions": 3, "members": 0}, {}, "1 view differs sessions: 3 rows. grantbook projections verify sessions prints them"),
        ({"sessions": 0}, {"members": "It is being built."}, "Not all compared members was left out: It is being built."),
    ],
)
def test_the_last_comparison_of_the_views_is_told(
    site: Site, admin: Person, differences: dict[str, int], not_compared: dict[str, str], words: str
) -> None:
    kept = {"at": "2026-11-20T09:30:00+00:00", "seconds": 83.0, "differences": differences, "not_compared": not_compared}
    with said(site, "views.checked", json.dumps(kept)):
        with site.app.views() as conn:
            assert last_check(conn) is not None
        page = text_of(admin.http.get(PAGE))
    assert words in page
    assert "Took 1 minute 23 seconds" in page


def test_the_places_where_checkpoints_are_deposited_stand_there_with_what_is_wrong(site: Site, admin: Person, tmp_path: Path) -> None:
    place, name = Folder(tmp_path), tmp_path.name
    with set_to(site, deposits=Deposits(folder=tmp_path)):
        assert f"{name} Folder Nothing yet None" in text_of(admin.http.get(PAGE))
        with connect(site.app.dsn) as conn:
            signer, log = signer_of(site.app.settings, conn), standing.standing(site.app.settings, conn)
            assert log.newest is not None
            size, root, note = log.newest.size, log.newest.root, log.newest.note
            receipt = place.deposit(Deposit(signer, size, root, note, lambda _: []), 0)
            record.keep(conn, log.origin, "folder", name, size, root, receipt)
            assert f"{name} Folder Kept {size:,} entries" in text_of(admin.http.get(PAGE))
            moment = site.app.services.clock()
            for ahead, words in ((False, "Failing"), (True, "Ahead of this database")):
                record.set_trouble(conn, "folder", name, record.Trouble(log.origin, moment, 3, "It is <full>.", moment, ahead=ahead))
                page = text_of(admin.http.get(PAGE))
                assert f"{name} Folder {words} {size:,} entries" in page
                assert "It is <full>. Failing since" in page
            record.set_trouble(conn, "folder", name, None)
    assert "Where checkpoints are kept" not in text_of(admin.http.get(PAGE))


def test_the_line_about_views_that_stopped_leads_there_for_those_who_may_read_it(site: Site, admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "lag", lambda _: Lag(position=3, head=9, seconds=60.0, stopped="event 4 can't be read"))
    for person, linked in ((admin, True), (signed_in(site, "analyst"), False)):
        page = person.http.get("/connected-apps").text
        assert "Views stopped at event 3" in page
        assert (f'Decisions are not affected. <a href="{PAGE}">' in page) is linked
