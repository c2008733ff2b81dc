"""The five requests that are measured, and what is left of sessions and codes between runs."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass, field
from urllib.parse import urlencode

from bench import seed
from bench.load import Job
from bench.place import Place
from bench.target import ENDPOINTS

NAMES = ("refresh", "code", "introspect", "register", "metadata")
_FORM = "application/x-www-form-urlencoded"
_ACCESS_TOKENS = 64
_ORDINARY_CODES_PER_S = 2500


@dataclass
class Workloads:
    """Makes the jobs for one seeded server."""

    place: Place
    seeded: seed.Seeded
    tokens: list[bytes]
    codes: list[bytes] = field(default_factory=list)

    @classmethod
    def seeded_with(cls, place: Place, sessions: int, members: int) -> Workloads:
        """Seed the store behind a running server."""
        seeded = seed.seed(place, members)
        with place.app() as app:
            tokens = [token.encode() for token in seed.sessions(app, seeded, sessions)]
        return cls(place, seeded, tokens)

    def job(self, name: str, seconds: float) -> Job:
        """What to send for a workload; `seconds` says how many codes are needed."""
        if name == "refresh":
            return self._form("token", "refresh", self.tokens, self._prefix, (b'"access_token"',))
        if name == "code":
            self._more_codes(int(seconds * _ORDINARY_CODES_PER_S))
            return self._form("token", "once", self.codes, b"", (b'"access_token"', b'"refresh_token"'))
        if name == "introspect":
            extra = f"Authorization: {seed.basic(self.seeded)}\r\n"
            return self._form("introspect", "cycle", self._access_tokens(), b"token=", (b'"active":true',), extra)
        if name == "register":
            head = self._head("POST", "register", "Content-Type: application/json\r\n")
            return Job(self.place.port, head, "cycle", [json.dumps(seed.METADATA).encode()], status=201, holds=(b'"client_id"',))
        if name == "metadata":
            return Job(self.place.port, self._head("GET", "metadata", ""), "cycle", [b""], holds=(b'"token_endpoint"',))
        raise SystemExit(f"There is no workload {name!r}. Workloads: {', '.join(NAMES)}.")

    def take_back(self, name: str, items: list[bytes]) -> None:
        """What a run left unspent."""
        if name == "refresh":
            self.tokens = items
        elif name == "code":
            self.codes = items

    @property
    def _prefix(self) -> bytes:
        return urlencode({"grant_type": "refresh_token", "client_id": self.seeded.client_id}).encode() + b"&refresh_token="

    def _form(self, endpoint: str, mode: str, items: list[bytes], prefix: bytes, holds: tuple[bytes, ...], extra: str = "") -> Job:
        head = self._head("POST", endpoint, f"Content-Type: {_FORM}\r\n{extra}")
        return Job(self.place.port, head, mode, items, prefix, holds=holds)  # type: ignore[arg-type]  # one of the three words

    def _head(self, method: str, endpoint: str, extra: str) -> bytes:
        host = f"Host: 127.0.0.1:{self.place.port}\r\n"
        return f"{method} {ENDPOINTS[endpoint]} HTTP/1.1\r\n{host}Accept: application/json\r\nUser-Agent: bench/1.0\r\n{extra}".encode()

    def _more_codes(self, wanted: int) -> None:
        if len(self.codes) >= wanted:
            return
        with self.place.app() as app:
            for made in seed.codes(app, self.seeded, wanted - len(self.codes)):
                form = {
                    "grant_type": "authorization_code",
                    "client_id": self.seeded.client_id,
                    "code": made.code,
                    "code_verifier": made.code_verifier,
                }
                self.codes.append(urlencode({**form, "redirect_uri": made.redirect_uri}).encode())
        seed.settle(self.place)

    def _access_tokens(self) -> list[bytes]:
        """Live access tokens of so many sessions, each refreshed once."""
        found = []
        connection = http.client.HTTPConnection("127.0.0.1", self.place.port, timeout=20)
        for number, token in enumerate(self.tokens[:_ACCESS_TOKENS]):
            connection.request("POST", ENDPOINTS["token"], body=self._prefix + token, headers={"Content-Type": _FORM})
            answer = json.loads(connection.getresponse().read())
            self.tokens[number] = answer["refresh_token"].encode()
            found.append(answer["access_token"].encode())
        connection.close()
        return found
