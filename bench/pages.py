"""What each page costs: `python -m bench.pages` seeds 1,000 clients and 10,000 sessions, then prints times, statements and bytes of every page.

On a machine with other work the times say more about that work: CPU is what the server's and the database's processes spent on a request themselves.

The pages are found by walking from link to link over the URL map (bench/pages_map.py), as an admin, on a server as in production.
"""

from __future__ import annotations

import argparse
import gzip
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from bench.audit import quantile
from bench.counters import Counters
from bench.pages_browser import Browser
from bench.pages_map import Found, each_kind
from bench.pages_seed import Seeded, authorization, seed
from bench.place import Place, free_port, temporary_folder
from bench.seed import await_projector, settle
from bench.statements import logged, reading
from infrastructure.bootstrap import App
from infrastructure.database import DECIDE, VIEWS
from web.app import create_app

SLOWEST_MS, HEAVIEST_KB = 50.0, 150.0
BEGINNING = ("/settings", "/settings/integrations", "/settings/audit", "/connected-apps", "/sign-in", "/sign-out", "/sign-ins")
_LONGEST_MS = 10_000.0
"""What the requests of one page take at most; a slower page is asked for less often."""
_STATIC = re.compile(r"""(?:href|src)="(/static/[^"]+)\"""")


@dataclass(frozen=True, slots=True)
class Cost:
    """One page: its rule, milliseconds of its requests, CPU of one, statements of one, bytes as sent and as a compressing proxy sends them."""

    rule: str
    ms: Sequence[float]
    cpu_ms: float
    statements: int
    html: int
    html_zipped: int
    files: int
    files_zipped: int

    @property
    def kilobytes(self) -> float:
        return (self.html + self.files) / 1000

    @property
    def too_much(self) -> bool:
        return quantile(list(self.ms), 0.95) > SLOWEST_MS or self.kilobytes > HEAVIEST_KB

    def __str__(self) -> str:
        sizes = f"{self.html:>9,}{self.html_zipped:>8,}{self.files:>9,}{self.files_zipped:>8,}"
        times = f"{quantile(list(self.ms), 0.5):8.1f}{quantile(list(self.ms), 0.95):8.1f}{self.cpu_ms:8.1f}"
        return f"{self.rule:<58}{times}{self.statements:>6}{sizes}{'  too much' if self.too_much else ''}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1_000)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--members", type=int, default=1_000)
    parser.add_argument("--requests", type=int, default=100, help="for each page")
    parser.add_argument("--only", default="", help="rules that hold these words")
    given = parser.parse_args()
    with temporary_folder() as folder:
        place = Place(folder, free_port())
        with place.database():
            seeded = seed(place, given.members, given.clients, given.sessions)
            with place.served() as server, place.app() as app, place.superuser() as connection:
                settle(place)
                counters = Counters(server, int(place.postmaster().read_text().split("\n", 1)[0]), connection)
                costs = measured(place, app, seeded, counters, given.requests, given.only)
    print(f"{'rule':<58}{'p50 ms':>8}{'p95':>8}{'CPU ms':>8}{'stmts':>6}{'html B':>9}{'gzip':>8}{'files B':>9}{'gzip':>8}")
    for cost in sorted(costs, key=lambda cost: cost.rule):
        print(cost)
    too_much = sum(cost.too_much for cost in costs)
    print(f"\n{len(costs)} pages; {too_much} of them above {SLOWEST_MS:.0f} ms (p95) or {HEAVIEST_KB:.0f} kB (HTML and files).")


def measured(place: Place, app: App, seeded: Seeded, counters: Counters, requests: int, only: str) -> list[Cost]:
    """Walk, then ask for each page in turn. A page that isn't HTML (an export, a redirect) is not one."""
    browser = Browser(place.port)
    browser.sign_in()
    found = Found(create_app(app))
    waiting = authorization(app.services, seeded.account_id, seeded.client_id)
    found.walk(lambda url: _page(browser, url), [*each_kind(app, seeded.account_id), f"/consent?request={waiting.request_id}", *BEGINNING])
    rules = {endpoint: rule for endpoint, rule in found.rules.items() if endpoint in found.urls and only in rule}
    costs = []
    for endpoint, rule in rules.items():
        url = found.urls[endpoint][0]
        answer = browser.get(url)
        if answer.status == 200 and answer.kind == "text/html":
            costs.append(_cost(place, browser, counters, rule, url, requests))
            print(f"  {rule}", end="\r", flush=True)
    await_projector(place)
    for endpoint, rule in found.missing().items():
        print(f"{rule} ({endpoint}): no link leads there")
    return costs


def _page(browser: Browser, url: str) -> str:
    answer = browser.get(url)
    return answer.body.decode() if answer.kind == "text/html" else ""


def _cost(place: Place, browser: Browser, counters: Counters, rule: str, url: str, requests: int) -> Cost:
    body = browser.get(url).body
    files = [_file(browser, path) for path in sorted(set(_STATIC.findall(body.decode())))]
    for _ in range(3):
        browser.get(url)
    before = counters.sample()
    times: list[float] = []
    while len(times) < requests and sum(times) < _LONGEST_MS:
        times.append(browser.get(url).ms)
    spent = counters.sample().since(before)
    with logged(place) as lines:
        browser.get(url)
    statements = len(reading(lines, (DECIDE, VIEWS)))
    cpu_ms = (spent.server_s + spent.database_s) * 1000 / len(times)
    return Cost(rule, times, cpu_ms, statements, len(body), len(gzip.compress(body)), sum(raw for raw, _ in files), sum(small for _, small in files))


@cache
def _file(browser: Browser, path: str) -> tuple[int, int]:
    body = browser.get(path.replace("&amp;", "&")).body
    return len(body), len(gzip.compress(body))


if __name__ == "__main__":
    main()
