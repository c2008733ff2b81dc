from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.redirect_uris import host_of, matches, why_refused


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/cb", "https://app.example", "https://app.example:8443/cb?x=1&y=%20", "http://127.0.0.1/", "http://[::1]:3118/cb",
        "http://localhost:3118/callback", "cursor://anysphere.cursor-mcp/oauth/callback", "com.example.app:/cb", "vscode://publisher.ext/cb", "myapp://",
        "https://app_1.example/cb", "https://a.example/cb;v=1/(x)",
    ],
)  # fmt: skip
def test_p31_sound_redirect_uris_may_be_registered(uri: str) -> None:
    assert why_refused(uri) is None


@pytest.mark.parametrize(
    ("registered", "presented", "same"),
    [
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", True),
        ("http://127.0.0.1/cb", "http://127.0.0.1:2/cb", True),
        ("http://localhost", "http://localhost:9", True),
        ("http://localhost", "http://localhost:9/", False),
        ("http://[::1]:1/cb?x=1", "http://[::1]:2/cb?x=1", True),
        ("http://[::1]:1/cb?x=1", "http://[::1]:2/cb?x=2", False),
        ("http://127.0.0.1:1/cb", "http://localhost:1/cb", False),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:/cb", False),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:65536/cb", False),
        ("https://127.0.0.1:1/cb", "https://127.0.0.1:2/cb", False),
        ("https://app.example:1/cb", "https://app.example:2/cb", False),
        ("cursor://x:1/cb", "cursor://x:2/cb", False),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb\n", False),
        ("http://127.0.0.1:1/cb", "http://127.0.0.1:2@evil.example/cb", False),
    ],
)
def test_p7_only_the_port_of_a_loopback_address_may_differ(registered: str, presented: str, same: bool) -> None:
    assert matches(registered, presented) is same


@given(st.text(max_size=80))
def test_whatever_is_sent_is_judged_without_an_error(text: str) -> None:
    assert matches("https://app.example/cb", text) is (text == "https://app.example/cb")
    assert matches("http://127.0.0.1:1/cb", text) in (True, False)
    if why_refused(text) is None:
        assert text.isascii()
        assert host_of(text)


@given(st.sampled_from(["http://", "https://", "http:", "//", "x://"]), st.text(alphabet="abc.:@/\\?#[]%127-_ \t", max_size=30))
def test_what_may_be_registered_names_one_host_that_is_safe(scheme: str, rest: str) -> None:
    uri = scheme + rest
    if why_refused(uri) is None and uri.startswith("http:"):
        assert host_of(uri) in ("127.0.0.1", "::1", "localhost")
