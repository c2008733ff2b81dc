from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from web.pages import app_words
from web.pages.headers import _source


def test_a_name_loses_control_and_direction_characters_and_is_cut_at_sixty() -> None:
    name = app_words.cleaned("\u202eClaude\u0000\u200b  Code\n\u2066" + "x" * 80)
    assert name.startswith("Claude Code x")
    assert len(name) == 60
    assert name.endswith("…")


def test_a_name_of_nothing_visible_has_a_stand_in() -> None:
    assert app_words.plain_name("\u200b\u202e") == "Unnamed app"
    assert app_words.initial("\u200b!?") == "?"


@given(st.text(max_size=200))
def test_whatever_an_app_calls_itself_its_name_is_escaped_and_isolated(text: str) -> None:
    markup = str(app_words.app_name(text))
    inner = markup.removeprefix("<bdi>").removesuffix("</bdi>")
    assert "<" not in inner
    assert ">" not in inner
    assert inner == str(escape(app_words.plain_name(text)))


@given(st.text(max_size=300), st.text(max_size=300))
def test_marked_differences_put_together_are_the_two_texts(one: str, other: str) -> None:
    marked = app_words.marked_difference(one, other)
    assert marked.striptags().replace(" ", "") == escape(app_words.cleaned(one, 200)).unescape().replace(" ", "") or "<" in one


@given(st.text(max_size=300))
def test_no_url_is_too_odd_to_be_looked_at(url: str) -> None:
    app_words.host(url)
    app_words.scheme(url)
    app_words.is_loopback(url)
    app_words.without_loopback_port(url)
    assert "<script" not in str(app_words.breakable_url(f"https://a/{url}<script>"))


def test_a_loopback_redirect_is_shown_without_its_port() -> None:
    assert app_words.without_loopback_port("http://localhost:3118/callback") == ("http://localhost/callback", True)
    assert app_words.without_loopback_port("http://[::1]:3118/cb") == ("http://[::1]/cb", True)
    assert app_words.without_loopback_port("https://claude.ai/cb") == ("https://claude.ai/cb", False)


def test_a_url_may_break_before_its_separators() -> None:
    assert str(app_words.breakable_url("https://claude.ai/a&b")) == "<bdi>https://claude<wbr>.ai<wbr>/a<wbr>&amp;b</bdi>"


def test_the_differing_part_of_a_redirect_url_is_marked() -> None:
    marked = str(app_words.marked_difference("https://cb.example.com/done", "https://cb.example.org/done"))
    assert marked == '<bdi>https://cb.example.<mark class="differs">com</mark>/done</bdi>'


def test_only_loopback_and_private_schemes_count_as_local() -> None:
    assert app_words.is_local_only(("http://127.0.0.1/", "cursor://x/cb"))
    assert not app_words.is_local_only(("http://127.0.0.1/", "https://vscode.dev/redirect"))
    assert not app_words.is_local_only(())


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("https://claude.ai/api/mcp/auth_callback", "https://claude.ai"),
        ("http://localhost:3118/callback", "http://localhost:3118"),
        ("http://[::1]:3118/callback", "http:"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor:"),
        ("com.example.app:/cb", "com.example.app:"),
        ("https://evil;script-src *.x/cb", "https:"),
    ],
)
def test_the_form_may_end_at_the_redirect_and_nothing_can_be_smuggled_into_the_policy(uri: str, source: str) -> None:
    assert _source(uri) == source
