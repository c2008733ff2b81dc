from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.oauth.forms import Malformed, pairs

PLAIN = st.text(alphabet="ab=&-_.~1", max_size=60)
ESCAPED = st.lists(st.sampled_from(["a", "=", "&", "+", "%", "%2", "%20", "%C3%A9", "%C3", "é", "%zz", "%26"]), max_size=20).map("".join)


@given(PLAIN)
def test_a_plain_body_is_read_as_the_standard_library_reads_it(text: str) -> None:
    assert pairs(text.encode()) == parse_qsl(text, keep_blank_values=True)


@given(ESCAPED)
def test_an_escaped_body_is_read_as_the_standard_library_reads_it(text: str) -> None:
    try:
        expected = parse_qsl(text, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        with pytest.raises(Malformed, match="not UTF-8"):
            pairs(text.encode())
    else:
        assert pairs(text.encode()) == expected


def test_an_escaped_body_is_unescaped() -> None:
    assert pairs(b"scope=a+b&resource=https%3A%2F%2Fx") == [("scope", "a b"), ("resource", "https://x")]
