"""Gives the templates their filters and globals: formatting, app words, scope words, hashed static URLs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from flask import Flask, url_for
from markupsafe import Markup

from web.pages import app_words, charts, formatting, scope_words

_STATUS_WORDS = {"active": "Active", "pending": "Pending approval", "blocked": "Blocked", "removed": "Removed"}
_STATUS_KINDS = {"active": "ok", "pending": "warn", "blocked": "bad", "removed": ""}


@cache
def _fingerprint(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:12]


def _static_url(app: Flask) -> Callable[[str], str]:
    folder = Path(app.static_folder or "")

    def static_url(name: str) -> str:
        return url_for("static", filename=name, v=_fingerprint(folder / name))

    return static_url


def _scope_sentence(scopes: tuple[str, ...]) -> str:
    """`See account details, query metrics, stay connected`"""
    headings = [scope_words.heading(scope) for scope in scope_words.in_order(scopes)]
    words = ", ".join(words[:1].lower() + words[1:] for words in headings)
    return formatting.sentence(words) or "Nothing but to know that you allowed it"


def _scope_headings(scopes: tuple[str, ...]) -> str:
    return ", ".join(scope_words.heading(scope) for scope in scope_words.in_order(scopes))


def _filters(now: Callable[[], datetime]) -> dict[str, Callable[..., Any]]:
    return {
        "machine_time": formatting.machine_time,
        "absolute": formatting.absolute,
        "to_the_millisecond": formatting.to_the_millisecond,
        "long_date": formatting.long_date,
        "short_date": formatting.short_date,
        "relative": lambda moment: formatting.relative(moment, now()),
        "left": lambda moment: formatting.left(moment, now()),
        "ago": formatting.ago,
        "number": formatting.number,
        "day_words": charts.day_words,
        "counted": formatting.counted,
        "duration": formatting.duration,
        "listed": formatting.listed,
        "cleaned": app_words.cleaned,
        "plain_name": app_words.plain_name,
        "app_name": app_words.app_name,
        "initial": app_words.initial,
        "tile_class": app_words.tile_class,
        "breakable_url": app_words.breakable_url,
        "unbroken": lambda text: Markup("&nbsp;").join(text.split(" ")),
        "scope_words": scope_words.words_of,
        "acts": scope_words.acts,
        "scope_sentence": _scope_sentence,
        "scope_headings": _scope_headings,
        "status_word": _STATUS_WORDS.__getitem__,
        "status_kind": _STATUS_KINDS.__getitem__,
    }


def install(app: Flask, now: Callable[[], datetime]) -> None:
    """Filters and globals for every template; `csrf_token` comes from flask-wtf, `platform` from the page's account."""
    app.jinja_env.filters.update(_filters(now))
    app.jinja_env.globals.update(static_url=_static_url(app), server_time=now)
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
