from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from application.identity_ports import Identity
from application.retrying import until_settled
from application.sso_members import admit
from tests.web.pages.conftest import ORIGIN, Site
from tests.web.sso.conftest import configure

ISSUER = "https://idp.jaffle.example"


def test_a_new_person_who_comes_in_by_many_tabs_at_once_is_added_once(site: Site) -> None:
    configure(site, ISSUER)
    someone = Identity(ISSUER, "tabs-1", "tabs@jaffle.example", True, "Tabea Tabs", None, None)

    def sign_in(_: int) -> str:
        now = datetime(2026, 11, 24, tzinfo=UTC)
        opened = until_settled(lambda: admit(site.app.services, site.account_id, ORIGIN, someone, authenticated_at=now), tries=30)
        return str(opened.member_id)

    with ThreadPoolExecutor(8) as pool:
        members = list(pool.map(sign_in, range(8)))
    assert len(set(members)) == 1
    assert len(site.app.services.store.tables().browser_sessions_of(site.account_id, members[0])) == 8
