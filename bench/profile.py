"""Where the CPU of a request goes, on a web worker's loop in this process, without a socket: `python -m bench.profile --help`."""

from __future__ import annotations

import argparse
import collections
import cProfile
import itertools
import json
import os
import pstats
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import seed
from bench.on_the_loop import Work, Worker, worker
from bench.place import Place, free_port, temporary_folder
from bench.stages import OUTSIDE, Stages, lower_quartile
from infrastructure.logs import configure_logs
from web.app import create_app, wrapped

Places = tuple[tuple[str, str], ...]
_BEFORE: Places = (
    ("connection", "web.serving.quick:QuickProtocol.data_received"),
    ("request read", "web.serving.quick:whole"),
    ("task: front called, head made", "web.serving.quick:QuickProtocol._answer_whole"),
    ("answer written", "web.serving.quick:QuickProtocol._reply"),
    ("request log", "web.serving.quick:log_request"),
    ("front", "web.front:Front.way"),
)
_DATABASE: Places = (
    ("database: rows gathered", "infrastructure.store.batching:GatheredAppends.store"),
    ("database: rows gathered", "infrastructure.store.batching:GatheredAppends._send"),
    ("database: sent", "infrastructure.store.pipeline:Pipeline._send"),
)
REFRESH: Places = (
    *_BEFORE,
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
    *_DATABASE,
    ("access token: claims", "infrastructure.signing:JwtAccessTokens.issue"),
    ("access token: signature", "infrastructure.signing_keys:Key.sign_digest"),
    ("refresh token made", "domain.tokens:TokenCodec.make"),
    ("answer as JSON", "web.oauth.server:as_json"),
)
INTROSPECT: Places = (
    *_BEFORE,
    ("endpoint, form", "web.front:introspection_answer"),
    ("caller's secret", "web.oauth.client_auth:ResourceCredentials.check"),
    ("use case", "web.oauth.introspect:introspect"),
    ("access token read", "infrastructure.signing:JwtAccessTokens.read"),
    ("standing: copies", "infrastructure.store.tail:Loader.standing"),
    _DATABASE[2],
    ("why ended", "application.known_access:Known.ended"),
    ("access (permission function)", "application.known_access:KnownAccess.of"),
    ("answer as JSON", "web.oauth.introspect:as_json"),
)
REGISTER: Places = (
    *_BEFORE,
    ("endpoint, echo", "web.front:registration_answer"),
    ("JSON read", "web.oauth.register:read_json"),
    ("use case", "web.oauth.register:register_dynamic"),
    ("metadata and policy", "application.register_client:admitted"),
    ("limits counted", "application.register_client:_count"),
    ("context", "application.services:Services.context"),
    ("event made and applied", "domain.client:Client.register"),
    ("append: parameters, cache", "infrastructure.store.append:Appender.append"),
    ("event encoded", "infrastructure.store.mapper:EventMapper.encode"),
    ("sealed", "infrastructure.store.mapper:EventMapper._seal"),
    ("folded from what was stored", "infrastructure.store.fold:Folder.fold"),
    *_DATABASE,
    ("answer as JSON", "web.oauth.register:as_json"),
)


class Posts:
    """POSTs to one path. `bodies` are sent in turn; `renewed` makes of an answer what takes the place of the one that was sent."""

    def __init__(self, path: str, content_type: str, bodies: list[bytes], *more: str, renewed: Callable[[bytes], bytes] | None = None) -> None:
        lines = (f"POST {path} HTTP/1.1", "Host: 127.0.0.1:8000", "Accept: application/json", "User-Agent: bench/1.0")
        self._head = "\r\n".join([*lines, f"Content-Type: {content_type}", *more, "Content-Length: "]).encode()
        self._bodies, self._renewed = collections.deque(bodies), renewed

    def request(self) -> bytes:
        body = self._bodies.popleft()
        if self._renewed is None:
            self._bodies.append(body)
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)

    def answered(self, body: bytes) -> None:
        if self._renewed is not None:
            self._bodies.append(self._renewed(body))


_FORM = "application/x-www-form-urlencoded"


def refreshes(_: Worker, seeded: seed.Seeded, tokens: list[str]) -> Work:
    """Refreshes of these sessions in turn."""
    prefix = f"grant_type=refresh_token&client_id={seeded.client_id}&refresh_token=".encode()
    bodies = [prefix + token.encode() for token in tokens]
    return Posts("/oauth/token", _FORM, bodies, renewed=lambda answer: prefix + _member(answer, b"refresh_token"))


def _introspections(worker: Worker, seeded: seed.Seeded, tokens: list[str]) -> Work:
    found: list[bytes] = []

    class Refreshes:
        def __init__(self) -> None:
            self._inner = refreshes(worker, seeded, tokens)
            self.request = self._inner.request

        def answered(self, body: bytes) -> None:
            found.append(b"token=" + _member(body, b"access_token"))

    worker.run(Refreshes(), len(tokens))
    return Posts("/oauth/introspect", _FORM, found, f"Authorization: {seed.basic(seeded)}")


def _registrations(_: Worker, __: seed.Seeded, ___: list[str]) -> Work:
    return Posts("/oauth/register", "application/json", [json.dumps(seed.METADATA).encode()])


def _member(answer: bytes, name: bytes) -> bytes:
    return answer.rpartition(b'"%b":"' % name)[2].partition(b'"')[0]


def run(given: argparse.Namespace) -> None:
    with temporary_folder() as folder:
        place = Place(folder, free_port())
        with place.database():
            seeded = seed.seed(place, 50)
            with place.app() as app:
                tokens = list(seed.sessions(app, seeded, 50))
            with place.app() as app, (folder / "log").open("ab") as log, worker(wrapped(app, create_app(app))) as serving:
                configure_logs("json", stream=log)
                make, places = _kind(given)
                work = make(serving, seeded, tokens)
                serving.run(work, 300)
                if given.bytecodes:
                    _bytecodes(serving, work)
                elif given.cprofile:
                    _cprofile(serving, work, given.requests)
                else:
                    _stages(serving, work, places, given.requests)


def _kind(given: argparse.Namespace) -> tuple[Callable[[Worker, seed.Seeded, list[str]], Work], Places]:
    if given.introspect:
        return _introspections, INTROSPECT
    return (_registrations, REGISTER) if given.register else (refreshes, REFRESH)


def _stages(serving: Worker, work: Work, places: Places, requests: int) -> None:
    wall, cpu = (_typical_us(serving, work, requests, clock) for clock in (time.perf_counter_ns, time.thread_time_ns))
    stages = Stages()
    for label, where in places:
        stages.watch(label, where)
    serving.run(work, requests, stages.next)
    stages.end()
    print(f"one request, nothing watched: {wall:.0f} µs, of which {cpu:.0f} µs CPU here, the rest the database and other threads (lower quartiles)\n")
    print(f"{'stage':<34}{'calls':>6}{'CPU µs':>8}   (lower quartile, its own; watching adds about 1 µs to each call)")
    for label, calls in {OUTSIDE: requests, **stages.calls}.items():
        if calls:
            print(f"{label:<34}{calls / requests:>6.1f}{stages.typical_us(label):>8.1f}")


def _typical_us(serving: Worker, work: Work, requests: int, clock: Callable[[], int]) -> float:
    marks: list[int] = []
    serving.run(work, requests, lambda: marks.append(clock()))
    return lower_quartile([after - before for before, after in itertools.pairwise(marks)]) / 1000


def _cprofile(serving: Worker, work: Work, requests: int) -> None:
    profile = cProfile.Profile()
    profile.runcall(serving.run, work, requests)
    pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(45)


def _bytecodes(serving: Worker, work: Work, requests: int = 30) -> None:
    """The same figures on any machine, however busy: each bytecode costs about a hundred instructions, with all that it calls in C."""
    found: collections.Counter[types.CodeType] = collections.Counter()

    def trace(frame: types.FrameType, event: str, _: object) -> Any:
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            found[frame.f_code] += 1
        return trace

    sys.settrace(trace)
    serving.run(work, requests)
    sys.settrace(None)
    ours = {code: times for code, times in found.items() if f"{os.sep}bench{os.sep}" not in code.co_filename}
    print(f"{sum(ours.values()) / requests:.0f} bytecodes a request, on the loop's thread")
    for code, times in sorted(ours.items(), key=lambda item: -item[1])[:60]:
        print(f"{times / requests:>7.0f}  {Path(code.co_filename).name}:{code.co_qualname}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--introspect", action="store_true", help="instead of refresh")
    kinds.add_argument("--register", action="store_true", help="instead of refresh")
    parser.add_argument("--cprofile", action="store_true", help="Python's profiler instead of the stages")
    parser.add_argument("--bytecodes", action="store_true", help="count what the interpreter does in each function")
    parser.add_argument("--requests", type=int, default=3000)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
