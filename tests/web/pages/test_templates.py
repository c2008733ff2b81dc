"""Every page, rendered from samples: what holds for all of them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from tests.web.pages.gallery import GALLERY
from tests.web.pages.rendering import sample_app

VOID = {"meta", "link", "input", "wbr", "br", "img", "path", "rect", "circle", "line"}


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return sample_app().test_client()


class Outline(HTMLParser):
    """Tags with their attributes in order, what was opened and never closed, and the text of headings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.stray: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.stray.append(f"</{tag}> in <{self.open[-1] if self.open else ''}>")
        elif self.open:
            self.open.pop()

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def page(client: FlaskClient, name: str) -> tuple[str, Outline]:
    html = client.get(f"/gallery/{name}").get_data(as_text=True)
    return html, Outline(html)


@pytest.mark.parametrize("name", GALLERY)
def test_it_is_well_formed_with_one_heading_and_the_landmarks(client: FlaskClient, name: str) -> None:
    html, outline = page(client, name)
    assert outline.stray == []
    assert outline.open == []
    assert len(outline.named("h1")) == 1
    assert [main["id"] for main in outline.named("main")] == ["main"]
    assert 'class="skip" href="#main"' in html
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", GALLERY)
def test_it_has_nothing_inline_and_nothing_from_elsewhere(client: FlaskClient, name: str) -> None:
    _, outline = page(client, name)
    for tag, attrs in outline.tags:
        assert "style" not in attrs, tag
        assert not [key for key in attrs if key.startswith("on")], tag
        if tag in ("script", "link", "img"):
            assert (attrs.get("src") or attrs.get("href") or "").startswith("/static/")
    assert all(attrs.get("src") for attrs in outline.named("script"))


@pytest.mark.parametrize("name", GALLERY)
def test_every_post_carries_a_token_and_every_field_a_label(client: FlaskClient, name: str) -> None:
    html, outline = page(client, name)
    posts = [form for form in outline.named("form") if form.get("method") == "post"]
    assert html.count('name="csrf_token"') == len(posts)
    labelled = {attrs.get("for") for attrs in outline.named("label")}
    for field in [*outline.named("input"), *outline.named("select"), *outline.named("textarea")]:
        if field.get("type") in ("hidden", "checkbox", "radio"):
            continue
        assert field.get("id") in labelled or field.get("aria-label"), field


@pytest.mark.parametrize("name", GALLERY)
def test_an_evil_name_stays_text(client: FlaskClient, name: str) -> None:
    html, _ = page(client, name)
    assert "<script>alert" not in html
    assert "\u202e" not in html
    assert "\x00" not in html


@pytest.mark.parametrize("name", GALLERY)
def test_it_speaks_plainly(client: FlaskClient, name: str) -> None:
    html, _ = page(client, name)
    text = re.sub(r"<[^>]*>", " ", html)
    assert not re.search(r"\b(Oops|please|Please)\b", text)
    assert "!" not in text


@pytest.mark.parametrize("name", [n for n in GALLERY if n.startswith(("cannot", "error"))])
def test_the_title_of_an_error_starts_with_error(client: FlaskClient, name: str) -> None:
    html, _ = page(client, name)
    assert name == "error-center" or "<title>Error: " in html
    assert "req_01JDF7K9Q2" in html


def test_enter_in_a_checkbox_of_the_consent_page_decides_nothing(client: FlaskClient) -> None:
    _, outline = page(client, "consent")
    start = outline.tags.index(("form", {"class": "panel consent", "method": "post", "action": "/consent"}))
    first = next(attrs for tag, attrs in outline.tags[start:] if tag == "button")
    assert "hidden" in first
    assert "name" not in first
    decisions = [attrs.get("value") for attrs in outline.named("button") if attrs.get("name") == "decision"]
    assert decisions == ["deny", "approve"]


def test_the_consent_page_warns_where_the_mock_ups_warn(client: FlaskClient) -> None:
    assert "Runs on your computer." in page(client, "consent")[0]
    assert "the <bdi>Cursor</bdi> app on this computer (<code>cursor://</code>)" in page(client, "consent-scheme")[0]
    assert "We have not checked who runs this." in page(client, "consent-remote")[0]
    assert "Two different sites." in page(client, "consent-pending")[0]
    assert 'value="approve"' not in page(client, "consent-pending")[0]


def test_copy_buttons_stay_hidden_until_their_module_shows_them(client: FlaskClient) -> None:
    _, outline = page(client, "access-urls")
    buttons = [attrs for attrs in outline.named("button") if "data-copy" in attrs]
    assert buttons
    assert all("hidden" in attrs for attrs in buttons)


def test_an_empty_list_says_what_to_do_next(client: FlaskClient) -> None:
    assert "No app has connected yet." in page(client, "integrations-empty")[0]
    assert "No app can act for you." in page(client, "connected-empty")[0]
    assert "Add integration" not in page(client, "integrations-empty")[0]
