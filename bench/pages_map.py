"""Finds every page there is: the rules of the URL map, and for each a URL of the running data that a person can click to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urljoin, urlsplit

from flask import Flask
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from infrastructure.bootstrap import App
from projections.integrations.queries import list_integrations
from projections.members.queries import find_members
from web.pages.registry import blueprints

_LINK = re.compile(r"""<(?:a\b[^>]*?\shref|form\b[^>]*?\saction|button\b[^>]*?\sformaction)="([^"]*)""")
_MOST = 400
"""Pages that one walk opens at most."""


def page_rules(app: Flask) -> dict[str, str]:
    """Endpoint -> rule of everything that pages answer a GET at."""
    names = {blueprint.name for blueprint in blueprints()}
    rules = (rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ()))
    return {rule.endpoint: rule.rule for rule in rules if rule.endpoint.partition(".")[0] in names}


def each_kind(app: App, account_id: str) -> list[str]:
    """The pages of one app in each status and of one member of each role and standing: what can be done with them differs."""
    with app.views() as conn:
        rows = [row for removed in (False, True) for row in list_integrations(conn, account_id, removed=removed, limit=10_000)]
        people = find_members(conn, account_id, limit=10_000)
    by_status = {row.status: row.client_stream for row in rows}
    by_role = {(row.active, row.role): row.member_id for row in people}
    return [*(f"/settings/integrations/{stream}" for stream in by_status.values()), *(f"/settings/members/{by_role[key]}" for key in sorted(by_role))]


@dataclass
class Found:
    """`urls`: endpoint -> the URLs met so far, at most `most` of each rule (lists with other queries are the same rule)."""

    app: Flask
    most: int = 4
    urls: dict[str, list[str]] = field(default_factory=dict)
    rules: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self._adapter = self.app.url_map.bind("localhost")
        self.rules = page_rules(self.app)

    def walk(self, get: Callable[[str], str], beginning: Iterable[str]) -> None:
        """Open the pages of `beginning` and whatever they lead to. `get` gives the text of a page."""
        waiting = [url for url in beginning if self._is_new(url)]
        for url in waiting:
            if len(waiting) > _MOST:
                raise RuntimeError(f"more than {_MOST} pages: links go on for ever, such as {waiting[-1]}")
            waiting += [link for link in _links(url, get(url)) if self._is_new(link)]

    def _is_new(self, url: str) -> bool:
        """Note a page that its rule still has room for."""
        path = urlsplit(url).path
        try:
            endpoint, _ = self._adapter.match(path, method="GET")
        except (HTTPException, RequestRedirect):
            return False
        known = self.urls.setdefault(endpoint, []) if endpoint in self.rules else None
        if known is None or url in known or len(known) >= self.most:
            return False
        known.append(url)
        return True

    def missing(self) -> dict[str, str]:
        """Endpoint -> rule of the pages that no link leads to."""
        return {endpoint: rule for endpoint, rule in self.rules.items() if not self.urls.get(endpoint)}


def _links(url: str, page: str) -> Iterator[str]:
    """Where a page's links and forms lead on the same server: a form's own URL is a page too, for those who open it."""
    for href in _LINK.findall(page):
        parts = urlsplit(urljoin(url, unescape(href)))
        if not parts.netloc and parts.path.startswith("/"):
            yield parts._replace(fragment="").geturl()
