"""A signed-in browser for benchmarks: one connection that stays open, one cookie, times in milliseconds."""

from __future__ import annotations

import http.client
import re
import time
from dataclasses import dataclass
from urllib.parse import urlencode

ADMIN, PASSWORD = "admin@bench.example", "correct horse battery staple"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Answer:
    """A page, and how long it took from the first byte sent to the last received."""

    status: int
    body: bytes
    ms: float
    kind: str


class Browser:
    """Keeps its cookies as one header."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""
        self._cookies: dict[str, str] = {}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def get(self, path: str) -> Answer:
        return self._ask("GET", path)

    def post(self, path: str, **form: str) -> Answer:
        return self._ask("POST", path, urlencode(form), {"Content-Type": "application/x-www-form-urlencoded"})

    def sign_in(self, email: str = ADMIN, password: str = PASSWORD) -> None:
        page = self.get("/sign-in").body.decode()
        token = _TOKEN.search(page)
        if token is None:
            raise SystemExit(f"The sign-in page has no form:\n{page[:500]}")
        answer = self.post("/sign-in", email=email, password=password, csrf_token=token[1])
        if answer.status != http.HTTPStatus.SEE_OTHER:
            raise SystemExit(f"The sign-in answered {answer.status}.")

    def _ask(self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None) -> Answer:
        began = time.perf_counter()
        self._connection.request(method, path, body, {**(headers or {}), "Cookie": self.cookie})
        answer = self._connection.getresponse()
        content = answer.read()
        took = (time.perf_counter() - began) * 1000
        for given in answer.headers.get_all("Set-Cookie", []):
            name, _, value = given.partition(";")[0].partition("=")
            self._cookies[name] = value
        self.cookie = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        return Answer(answer.status, content, took, answer.headers.get_content_type())
