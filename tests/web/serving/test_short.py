"""Behind a proxy the short way judges who asks, and for which host, as the application's own layer does."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.middleware.proxy_fix import ProxyFix

from web.access_log import AccessLog
from web.front import Front
from web.serving.short import Short

PEER = "203.0.113.5"
Judged = tuple[str, str | None]


def judging(fix: dict[str, int]) -> tuple[AccessLog, list[Judged]]:
    """Layers around a front that only takes note of host and peer."""
    seen: list[Judged] = []
    front = Front.__new__(Front)
    front.extra = []
    front._flask = lambda *_: []

    def way(_: str, __: str, headers: Any, peer: str | None) -> None:
        seen.append((headers.get("Host") or "", peer))

    front.way = way  # type: ignore[method-assign,assignment]
    return AccessLog(ProxyFix(front, **fix), "web"), seen


TOLD = st.none() | st.text(st.sampled_from('ab1.:,"\\ ]'), max_size=12) | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=12)


@given(TOLD, TOLD, st.none() | st.just("own.example"), st.integers(0, 3), st.integers(0, 3))
@example("198.51.100.9, 198.51.100.8", "a.example, b.example:8", "own.example", 1, 1)
@example('"a, b", c', '"x.example"', "own.example", 2, 1)
@example(" , a,", "x.example,", None, 2, 1)
@example("198.51.100.9\xa0", "\x85a.example ", "own.example", 1, 1)
def test_it_is_judged_as_by_the_middleware(told_for: str | None, told_host: str | None, host: str | None, hops: int, hosts: int) -> None:
    log, seen = judging({"x_for": hops, "x_proto": hops, "x_host": hosts})
    short = Short.within(log)
    assert short is not None
    told = {"X-Forwarded-For": told_for, "X-Forwarded-Host": told_host, "Host": host}
    headers = {name.lower().encode(): value.encode("latin-1") for name, value in told.items() if value is not None}
    _, peer = short.way("POST", "/oauth/token", headers, PEER)
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in told.items() if value is not None}
    whole = {"REQUEST_METHOD": "POST", "PATH_INFO": "/oauth/token", "REMOTE_ADDR": PEER, "wsgi.input": BytesIO(), **environ}
    log(whole, lambda *_: None)
    assert seen[0] == seen[1]
    assert peer == whole["REMOTE_ADDR"]


@pytest.mark.parametrize("fix", [{"x_port": 1}, {"x_prefix": 1}])
def test_what_a_layer_does_beyond_that_is_left_to_it(fix: dict[str, int]) -> None:
    assert Short.within(judging(fix)[0]) is None


def test_an_unknown_layer_has_no_short_way() -> None:
    log, _ = judging({})
    assert Short.within(log) is not None
    assert Short.within(log.inner) is None
    assert Short.within(partial(log)) is None
    log.inner = partial(log.inner)
    assert Short.within(log) is None
