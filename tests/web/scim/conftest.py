"""A server with an account and its directory, which speaks SCIM with the token from the settings page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from application import scim_token
from tests.web.pages.conftest import ORIGIN, Site, site

__all__ = ["site"]

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


class Scim:
    """The directory's client."""

    def __init__(self, site: Site, token: str) -> None:
        self.site = site
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json", "User-Agent": "directory"}
        self.http = httpx.Client(base_url=f"{site.base_url}/scim/v2/", headers=headers, timeout=20)

    def create(self, user_name: str, **attributes: Any) -> dict[str, Any]:
        answer = self.http.post("Users", json={"schemas": [USER], "userName": user_name, **attributes})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def patch(self, user_id: str, *operations: dict[str, Any]) -> httpx.Response:
        return self.http.patch(f"Users/{user_id}", json={"schemas": [PATCH], "Operations": list(operations)})

    def find(self, filter_: str) -> list[dict[str, Any]]:
        answer = self.http.get("Users", params={"filter": filter_})
        assert answer.status_code == 200, answer.text
        assert answer.json()["totalResults"] == len(answer.json()["Resources"])
        return list(answer.json()["Resources"])


@pytest.fixture(scope="module")
def scim(site: Site) -> Iterator[Scim]:
    made = scim_token.rotate(site.app.services, site.account_id, origin=ORIGIN, actor_id=site.people["admin"])
    client = Scim(site, made.token)
    yield client
    client.http.close()
