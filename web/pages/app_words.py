"""Words that an app chose (name, URLs), made safe to show: cleaned, cut, isolated, breakable, compared."""

from __future__ import annotations

import unicodedata
from hashlib import sha256
from typing import Final
from urllib.parse import SplitResult, urlsplit

from markupsafe import Markup, escape

NAME_LIMIT: Final = 60
URL_LIMIT: Final = 200
_TILES: Final = "abcde"
_HIDDEN_CATEGORIES: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_LOOPBACK_HOSTS: Final = {"localhost", "127.0.0.1", "::1"}
_BREAK_BEFORE: Final = "./?&"


def cleaned(text: str, limit: int = NAME_LIMIT) -> str:
    """The text without control, bidi and other invisible characters, white space folded, cut at the limit."""
    visible = "".join(
        " " if char.isspace() else char
        for char in unicodedata.normalize("NFC", text)
        if char.isspace() or unicodedata.category(char) not in _HIDDEN_CATEGORIES
    )
    folded = " ".join(visible.split())
    return folded if len(folded) <= limit else folded[: limit - 1].rstrip() + "…"


def plain_name(text: str) -> str:
    """An app's name for titles and sentences without markup."""
    return cleaned(text) or "Unnamed app"


def app_name(text: str) -> Markup:
    """An app's name as HTML, isolated from the direction of the text around it."""
    return Markup("<bdi>{}</bdi>").format(plain_name(text))


def initial(text: str) -> str:
    """The letter of the tile."""
    return next((char for char in plain_name(text) if char.isalnum()), "?")


def tile_class(key: str) -> str:
    """The tile's colour class, from a hash of the client id."""
    return _TILES[sha256(key.encode()).digest()[0] % len(_TILES)]


def breakable_url(url: str) -> Markup:
    """A URL as HTML that may break before its separators, cleaned and cut."""
    text = cleaned(url, URL_LIMIT)
    start = text.find("://") + 3 if "://" in text else 0
    out = escape(text[:start])
    for char in text[start:]:
        out += Markup("<wbr>") + char if char in _BREAK_BEFORE else escape(char)
    return Markup("<bdi>{}</bdi>").format(out)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def is_loopback(url: str) -> bool:
    parts = _split(url)
    return parts is not None and parts.scheme == "http" and (parts.hostname or "") in _LOOPBACK_HOSTS


def is_web(url: str) -> bool:
    parts = _split(url)
    return parts is not None and parts.scheme in ("http", "https")


def is_local_only(urls: tuple[str, ...]) -> bool:
    """Whether every redirect URL leads to a program on the user's own computer."""
    return bool(urls) and all(is_loopback(url) or not is_web(url) for url in urls)


def host(url: str) -> str:
    parts = _split(url)
    return cleaned(parts.hostname or "", 253) if parts else ""


def scheme(url: str) -> str:
    parts = _split(url)
    return parts.scheme if parts else ""


def without_loopback_port(url: str) -> tuple[str, bool]:
    """The URL as the list shows it, and whether any port may stand in it (loopback redirects)."""
    parts = _split(url)
    if parts is None or not is_loopback(url):
        return url, False
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else (parts.hostname or "")
    return parts._replace(netloc=name).geturl(), True


def marked_difference(text: str, other: str) -> Markup:
    """The text with the run in which it differs from the other marked, for two redirect URLs one above the other."""
    text, other = cleaned(text, URL_LIMIT), cleaned(other, URL_LIMIT)
    head = 0
    while head < min(len(text), len(other)) and text[head] == other[head]:
        head += 1
    tail = 0
    while tail < min(len(text), len(other)) - head and text[-1 - tail] == other[-1 - tail]:
        tail += 1
    middle = text[head : len(text) - tail]
    marked = Markup('<mark class="differs">{}</mark>').format(middle) if middle else Markup("")
    return Markup("<bdi>{}{}{}</bdi>").format(text[:head], marked, text[len(text) - tail :] if tail else "")
