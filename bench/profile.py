"""Where the CPU of a refresh or an introspection goes, in one process without a socket: `python -m bench.profile [--cprofile | --bytecodes]`."""

from __future__ import annotations

import argparse
import collections
import cProfile
import functools
import importlib
import io
import os
import pstats
import statistics
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import seed
from bench.place import Place, free_port, temporary_folder
from infrastructure.logs import configure_logs
from web.app import create_app, wrapped

REFRESH = (
    ("access log", "web.access_log:AccessLog.__call__"),
    ("front: body, headers", "web.front:Front.__call__"),
    ("form", "web.oauth.token:pairs"),
    ("Authlib's core, grant class", "web.front:token_answer"),
    ("use case", "web.oauth.grants.refresh_token:refresh_tokens"),
    ("token read (MAC)", "domain.tokens:TokenCodec.read"),
    ("cached standing, copies", "infrastructure.store.tail:Loader.cached_standing"),
    ("decision", "domain.grant:Grant.refresh"),
    ("why ended", "application.known_access:Known.ended"),
    ("prepare: context, event", "application.refresh_tokens:prepare"),
    ("access (permission function)", "application.known_access:KnownAccess.of"),
    ("append: parameters, cache", "infrastructure.store.append:Appender.rotate"),
    ("event encoded", "infrastructure.store.mapper:EventMapper.encode"),
    ("sealed", "infrastructure.store.mapper:EventMapper._seal"),
    ("database: libpq", "infrastructure.store.connection:Kept.run"),
    ("access token: claims", "infrastructure.signing:JwtAccessTokens.issue"),
    ("access token: signature", "infrastructure.signing_keys:Key.sign_digest"),
    ("refresh token made", "domain.tokens:TokenCodec.make"),
    ("answer as JSON", "web.oauth.server:as_json"),
)
INTROSPECT = (
    ("access log", "web.access_log:AccessLog.__call__"),
    ("front: body, headers", "web.front:Front.__call__"),
    ("endpoint, form", "web.front:introspection_answer"),
    ("caller's secret", "web.oauth.client_auth:ResourceCredentials.identifier"),
    ("use case", "web.oauth.introspect:introspect"),
    ("access token read", "infrastructure.signing:JwtAccessTokens.read"),
    ("standing: copies", "infrastructure.store.tail:Loader.standing"),
    ("database: libpq", "infrastructure.store.connection:Kept.run"),
    ("why ended", "application.known_access:Known.ended"),
    ("access (permission function)", "application.known_access:KnownAccess.of"),
    ("answer as JSON", "web.oauth.introspect:as_json"),
)


class Stages:
    """Wraps functions so that each records its thread's CPU nanoseconds, without those of the wrapped ones that it calls."""

    def __init__(self) -> None:
        self.taken: dict[str, list[int]] = {}
        self._inner: list[int] = []

    def watch(self, label: str, place: str) -> None:
        module, _, path = place.partition(":")
        owner: Any = importlib.import_module(module)
        *outer, name = path.split(".")
        for part in outer:
            owner = getattr(owner, part)
        setattr(owner, name, self._timed(label, getattr(owner, name)))

    def _timed(self, label: str, function: Callable[..., Any]) -> Callable[..., Any]:
        taken, inner, clock = self.taken.setdefault(label, []), self._inner, time.thread_time_ns

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            inner.append(0)
            began = clock()
            try:
                return function(*args, **kwargs)
            finally:
                whole = clock() - began
                taken.append(whole - inner.pop())
                if inner:
                    inner[-1] += whole

        return timed


class Caller:
    """Calls the WSGI application as a worker does."""

    def __init__(self, wsgi: Callable[..., Any], path: str, headers: dict[str, str]) -> None:
        self._wsgi, self._path, self._headers = wsgi, path, headers

    def __call__(self, body: bytes) -> bytes:
        environ = {
            "REQUEST_METHOD": "POST", "PATH_INFO": self._path, "QUERY_STRING": "", "CONTENT_TYPE": "application/x-www-form-urlencoded",
            "CONTENT_LENGTH": str(len(body)), "HTTP_HOST": "127.0.0.1", "HTTP_ACCEPT": "application/json", "HTTP_USER_AGENT": "bench/1.0",
            "REMOTE_ADDR": "127.0.0.1", "wsgi.input": io.BytesIO(body), **self._headers,
        }  # fmt: skip
        status = ""

        def start_response(line: str, _: Any) -> None:
            nonlocal status
            status = line

        answer = b"".join(self._wsgi(environ, start_response))
        if not status.startswith("200"):
            raise SystemExit(f"{status}: {answer.decode()}")
        return answer


def run(given: argparse.Namespace) -> None:
    with temporary_folder() as folder:
        place = Place(folder, free_port())
        with place.database():
            seeded = seed.seed(place, 50)
            with place.app() as app:
                tokens = list(seed.sessions(app, seeded, 50))
            with place.app() as app, Path(os.devnull).open("ab") as nowhere:
                configure_logs("json", stream=nowhere)
                work = _introspections if given.introspect else refreshes
                one = work(wrapped(app, create_app(app)), seeded, tokens)
                _warm(one, 300)
                if given.bytecodes:
                    _bytecodes(one)
                elif given.cprofile:
                    _cprofile(one, given.requests)
                else:
                    _stages(one, INTROSPECT if given.introspect else REFRESH, given.requests)


def refreshes(wsgi: Callable[..., Any], seeded: seed.Seeded, tokens: list[str]) -> Callable[[], None]:
    call = Caller(wsgi, "/oauth/token", {})
    prefix = f"grant_type=refresh_token&client_id={seeded.client_id}&refresh_token=".encode()
    waiting = [token.encode() for token in tokens]

    def one() -> None:
        answer = call(prefix + waiting.pop(0))
        waiting.append(answer.rpartition(b'"refresh_token":"')[2].partition(b'"')[0])

    return one


def _introspections(wsgi: Callable[..., Any], seeded: seed.Seeded, tokens: list[str]) -> Callable[[], None]:
    refresh = Caller(wsgi, "/oauth/token", {})
    prefix = f"grant_type=refresh_token&client_id={seeded.client_id}&refresh_token=".encode()
    bodies = [b"token=" + refresh(prefix + t.encode()).partition(b'"access_token":"')[2].partition(b'"')[0] for t in tokens]
    call = Caller(wsgi, "/oauth/introspect", {"HTTP_AUTHORIZATION": seed.basic(seeded)})

    def one() -> None:
        call(bodies[0])
        bodies.append(bodies.pop(0))

    return one


def _warm(one: Callable[[], None], times: int) -> None:
    for _ in range(times):
        one()


def _stages(one: Callable[[], None], places: tuple[tuple[str, str], ...], requests: int) -> None:
    wall, cpu = _typical_us(one, requests, time.perf_counter_ns), _typical_us(one, requests, time.thread_time_ns)
    stages = Stages()
    for label, where in places:
        stages.watch(label, where)
    _warm(one, requests)
    print(f"one request, nothing watched: {wall:.0f} µs, of which {cpu:.0f} µs CPU here, the rest the database (lower quartiles)\n")
    print(f"{'stage':<34}{'calls':>6}{'CPU µs':>8}   (lower quartile, its own; watching adds about 1 µs to each call)")
    for label, taken in stages.taken.items():
        if taken:
            print(f"{label:<34}{len(taken) / requests:>6.1f}{_typical(taken) / 1000 * len(taken) / requests:>8.1f}")


def _typical(taken: list[int]) -> float:
    """The lower quartile: what else the machine does meanwhile only ever adds."""
    return statistics.quantiles(taken, n=4)[0]


def _typical_us(one: Callable[[], None], requests: int, clock: Callable[[], int]) -> float:
    taken = []
    for _ in range(requests):
        began = clock()
        one()
        taken.append(clock() - began)
    return _typical(taken) / 1000


def _cprofile(one: Callable[[], None], requests: int) -> None:
    profile = cProfile.Profile()
    profile.runcall(_warm, one, requests)
    pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(45)


def _bytecodes(one: Callable[[], None], requests: int = 30) -> None:
    """The same figures on any machine, however busy: each bytecode costs about a hundred instructions, with all that it calls in C."""
    found: collections.Counter[types.CodeType] = collections.Counter()

    def trace(frame: types.FrameType, event: str, _: object) -> Any:
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            found[frame.f_code] += 1
        return trace

    sys.settrace(trace)
    _warm(one, requests)
    sys.settrace(None)
    print(f"{found.total() / requests:.0f} bytecodes a request")
    for code, times in found.most_common(60):
        print(f"{times / requests:>7.0f}  {Path(code.co_filename).name}:{code.co_qualname}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--introspect", action="store_true", help="instead of refresh")
    parser.add_argument("--cprofile", action="store_true", help="Python's profiler instead of the stages")
    parser.add_argument("--bytecodes", action="store_true", help="count what the interpreter does in each function")
    parser.add_argument("--requests", type=int, default=3000)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
