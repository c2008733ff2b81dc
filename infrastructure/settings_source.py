"""Where settings come from, environment before file before default, and how their text is read."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

PREFIX = "GRANTBOOK_"
ACCOUNT = "{account}"
"""Stands in the base URL for an account's short name, where each has a host of its own."""
_MISSPELT = 0.75
_NO_SETTINGS = frozenset({"CONFIG"})
_T = TypeVar("_T")


class Source:
    """Looks settings up by their names without prefix, and collects a sentence for each wrong one in `errors`."""

    def __init__(self, environ: Mapping[str, str], file: Path, *, file_must_exist: bool) -> None:
        self.errors: list[str] = []
        self._environ = environ
        self._file = file
        self._from_file = self._load(must_exist=file_must_exist)
        self._asked: set[str] = set()

    def read(self, name: str, parse: Callable[[str], _T], default: _T) -> _T:
        """The setting's value; `default` if it is absent, empty or wrong."""
        try:
            text = self._text(name)
            return default if text is None else parse(text)
        except ValueError as error:
            self.errors.append(f"{PREFIX}{name} {error}.")
            return default

    def require(self, name: str, parse: Callable[[str], _T], reason: str) -> _T | None:
        """Like `read`, but an absent setting is wrong too."""
        before = len(self.errors)
        value = self.read(name, lambda text: (parse(text),), None)
        if value is None and len(self.errors) == before:
            self.errors.append(f"{PREFIX}{name} is missing: {reason}.")
        return value[0] if value else None

    def read_foreign(self, name: str, parse: Callable[[str], _T]) -> _T | None:
        """A variable of the environment that isn't ours alone, by its whole name; None if it is absent or wrong."""
        text = self._environ.get(name, "").strip()
        try:
            return parse(text) if text else None
        except ValueError as error:
            self.errors.append(f"{name} {error}.")
            return None

    def holds(self, name: str) -> bool:
        """Whether the setting is given, rightly or wrongly."""
        return self.read(name, lambda _: True, False)

    def refuse_unknown(self) -> None:
        """A misspelt name would silently do nothing. In the environment others may have names of their own, in the file nobody has."""
        for name in sorted(self._from_file.keys() - self._asked):
            close = difflib.get_close_matches(name, self._asked, 1)
            hint = f"; did you mean {close[0].lower()!r}?" if close else "."
            self.errors.append(f"{self._file} has {name.lower()!r}, which is no setting{hint}")
        given = {name.removeprefix(PREFIX).removesuffix("_FILE") for name in self._environ if name.startswith(PREFIX)}
        for name in sorted(given - self._asked - _NO_SETTINGS):
            close = difflib.get_close_matches(name, self._asked, 1, _MISSPELT)
            if close:
                self.errors.append(f"{PREFIX}{name} is no setting; did you mean {PREFIX}{close[0]}?")

    def _text(self, name: str) -> str | None:
        self._asked.add(name)
        text = self._environ.get(f"{PREFIX}{name}", "").strip()
        path = self._environ.get(f"{PREFIX}{name}_FILE", "").strip()
        if text and path:
            raise ValueError(f"stands beside {PREFIX}{name}_FILE: give one of them")
        if path:
            try:
                text = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"can't be read from {path} ({type(error).__name__})") from None
        return text or self._from_file.get(name, "").strip() or None

    def _load(self, *, must_exist: bool) -> dict[str, str]:
        try:
            with self._file.open("rb") as file:
                table = tomllib.load(file)
        except FileNotFoundError:
            if must_exist:
                self.errors.append(f"{PREFIX}CONFIG names {self._file}, which doesn't exist.")
            return {}
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            self.errors.append(f"{self._file} can't be read: {error}.")
            return {}
        return {key.upper().removeprefix(PREFIX): _as_text(value) for key, value in table.items()}


def a_number(least: int, most: int) -> Callable[[str], int]:
    """A whole number within bounds."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text[:12]) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def one_of(choices: Collection[str]) -> Callable[[str], str]:
    """One of a few words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"must be {' or '.join(sorted(choices))}")
        return text

    return parse


def a_connection_string(text: str) -> str:
    """A libpq string or URI; what is wrong with it isn't repeated, since it may hold a password."""
    try:
        conninfo_to_dict(text)
    except psycopg.Error:
        raise ValueError("is no libpq connection string (like `postgresql://user@host/database` or `host=... dbname=...`)") from None
    return text


def a_base_url(text: str) -> str:
    """An origin without a trailing slash: https, or http to this machine only; `{account}` may stand for a whole label."""
    text = text.rstrip("/")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in {"http", "https"} or not host or any(character.isspace() for character in text):
        raise ValueError("must be a URL like https://auth.example.com")
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("must be scheme, host and port only, without a path, query or user")
    if "{" in text.replace(ACCOUNT, "") or "}" in text.replace(ACCOUNT, "") or (ACCOUNT in host and not _one_part(host)):
        raise ValueError("may hold `{account}` once, as a whole part of a host name that has others: https://{account}.example.com")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must begin with https:// unless it names this machine (localhost)")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _one_part(host: str) -> bool:
    """Whether `{account}` is one of the labels before the last one, which is no number: addresses have no names below them."""
    labels = host.split(".")
    return labels[:-1].count(ACCOUNT) == 1 and all(labels) and ACCOUNT not in labels[-1] and not labels[-1].isdigit()


def an_http_url(text: str) -> str:
    """A URL of a service; what is wrong with it isn't repeated, since it may hold a password."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("must be a URL like http://localhost:4318")
    return text


def is_loopback(host: str) -> bool:
    """Whether a host name can only mean this machine."""
    return host == "localhost" or host.endswith(".localhost") or host == "::1" or (host.startswith("127.") and host.count(".") == 3)


def a_folder(text: str) -> Path:
    """A path; `~` is the home folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError("names the home folder of nobody") from None


def a_word(text: str) -> str:
    """Any text without blanks."""
    if len(text.split()) != 1:
        raise ValueError("may not hold blanks")
    return text


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
