from __future__ import annotations

from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from web.oauth.forms import pairs

PLAIN = st.text(alphabet="ab=&-_.~1", max_size=60)


@given(PLAIN)
def test_a_plain_body_is_read_as_the_standard_library_reads_it(text: str) -> None:
    assert pairs(text.encode()) == parse_qsl(text, keep_blank_values=True)


def test_an_escaped_body_is_unescaped() -> None:
    assert pairs(b"scope=a+b&resource=https%3A%2F%2Fx") == [("scope", "a b"), ("resource", "https://x")]
