"""All settings, read once from the environment and `grantbook.toml`; every wrong one is reported, none has an insecure default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

from infrastructure.data_dir import DataDirError, check_data_dir
from infrastructure.root_keys import RootKeys, kept_root_keys, parse_keys
from infrastructure.settings_deposits import Deposits, read_deposits
from infrastructure.settings_source import ACCOUNT, Source, a_base_url, a_connection_string, a_folder, a_number, a_word, an_http_url, one_of

_KEYS = ("SECRET_KEYS", "WRAPPING_KEYS", "LEDGER_KEY")
_NO_KEYS: tuple[bytes, ...] = ()
_NEEDED = "it is required with GRANTBOOK_DATABASE_URL, make a key with `openssl rand -base64 32`"


class SettingsError(Exception):
    """Settings are wrong; `problems` has a sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Limits:
    """How often one may try; addresses of this machine get `loopback_factor` times as many."""

    sign_in_per_login: int = 10  # in 15 minutes
    sign_in_per_address: int = 60  # in 15 minutes
    registration_per_address: int = 30  # in an hour
    authorization_per_address: int = 1000  # in an hour
    api_calls_per_minute: int = 1200  # of a session
    loopback_factor: int = 100


@dataclass(frozen=True, slots=True)
class Settings:
    """What `load_settings` read. `database_url` is None in embedded mode; keys are 32 bytes each, newest first."""

    data_dir: Path
    database_url: str | None = field(repr=False)
    database_read_url: str | None = field(repr=False)
    owner_database_url: str | None = field(repr=False)
    base_url: str
    secret_keys: tuple[bytes, ...] = field(repr=False)
    wrapping_keys: tuple[bytes, ...] = field(repr=False)
    ledger_key: tuple[bytes, ...] = field(repr=False)
    gateway_port: int | None
    ledger_origin_override: str | None
    ledger_folder: Path | None
    deposits: Deposits
    host: str
    port: int
    workers: int
    threads: int
    trusted_proxies: int
    log: Literal["pretty", "json"]
    metrics_port: int | None
    drain_seconds: int
    verify_views_hours: int
    otlp_endpoint: str | None = field(repr=False)
    rate_limit_url: str | None = field(repr=False)
    limits: Limits

    @property
    def embedded(self) -> bool:
        """Whether Grantbook runs its own PostgreSQL in the data directory."""
        return self.database_url is None

    @property
    def by_host(self) -> bool:
        """Whether each account has a host of its own: the URLs below then hold `{account}` in the place of its short name."""
        return ACCOUNT in self.base_url

    @property
    def gateway_url(self) -> str:
        """The origin under which clients reach the MCP gateway: its own port on this machine, else where a proxy joins it."""
        parts = urlsplit(self.base_url)
        if self.gateway_port is None or parts.scheme == "https":
            return self.base_url
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return f"{parts.scheme}://{host}:{self.gateway_port}"

    @property
    def ledger_origin(self) -> str:
        """The ledger's name in checkpoints: a URL without its scheme."""
        return self.ledger_origin_override or f"{urlsplit(self.base_url).netloc.replace(f'{ACCOUNT}.', '')}/ledger"


def load_settings(environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Settings:
    """Read all settings; raise `SettingsError` with every problem.

    In embedded mode this makes the data directory and the root keys in it where they are missing.
    """
    environ = os.environ if environ is None else environ
    folder = Path.cwd() if cwd is None else cwd
    named = environ.get("GRANTBOOK_CONFIG", "").strip()
    source = Source(environ, folder / (named or "grantbook.toml"), file_must_exist=bool(named))
    settings = _read(source, folder)
    source.refuse_unknown()
    settings = _with_kept_keys(source, settings, embedded=not source.holds("DATABASE_URL"))
    if source.errors:
        raise SettingsError(source.errors)
    return settings


def child_environment(overrides: Mapping[str, str]) -> dict[str, str]:
    """The environment for a child process: ours, with these settings in the place of what it says."""
    replaced = {f"{name}_FILE" for name in overrides}
    return {**{k: v for k, v in os.environ.items() if k not in replaced}, **overrides}


def embedded_data_dir(environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Path | None:
    """The data directory of an embedded store, without making anything; None where a database is configured."""
    environ = os.environ if environ is None else environ
    folder = Path.cwd() if cwd is None else cwd
    source = Source(environ, folder / (environ.get("GRANTBOOK_CONFIG", "").strip() or "grantbook.toml"), file_must_exist=False)
    if source.read("DATABASE_URL", a_connection_string, None) is not None:
        return None
    return folder / source.read("DATA_DIR", a_folder, Path(".grantbook"))


def environment(name: str, default: str = "") -> str:
    """One variable of the environment that is no setting of the product."""
    return os.environ.get(name, default)


def _read(source: Source, folder: Path) -> Settings:
    data_dir = folder / source.read("DATA_DIR", a_folder, Path(".grantbook"))
    database_url = source.read("DATABASE_URL", a_connection_string, None)
    owner_url = source.read("OWNER_DATABASE_URL", a_connection_string, None)
    embedded = not source.holds("DATABASE_URL")
    _refuse_one_role_for_both(source, database_url, owner_url, embedded=embedded)
    given_port = source.read("PORT", a_number(1, 65535), None)
    base_url = source.read("BASE_URL", a_base_url, f"http://localhost:{given_port or 8000}")
    port = given_port or _own_port(base_url)
    gateway_port, metrics_port = (source.read(name, a_number(1, 65535), None) for name in ("GATEWAY_PORT", "METRICS_PORT"))
    _refuse_one_port_for_two(source, {"PORT": port, "GATEWAY_PORT": gateway_port, "METRICS_PORT": metrics_port})
    keys = _given_keys(source, embedded=embedded)
    return Settings(
        data_dir=data_dir,
        database_url=database_url,
        database_read_url=source.read("DATABASE_READ_URL", a_connection_string, None),
        owner_database_url=owner_url,
        base_url=base_url,
        secret_keys=keys.secret,
        wrapping_keys=keys.wrapping,
        ledger_key=keys.ledger,
        gateway_port=gateway_port,
        ledger_origin_override=source.read("LEDGER_ORIGIN", _a_ledger_origin, None),
        ledger_folder=source.read("LEDGER_FOLDER", a_folder, None),
        deposits=read_deposits(source, folder),
        host=source.read("HOST", a_word, "127.0.0.1"),
        port=port,
        workers=source.read("WORKERS", a_number(1, 256), 2),
        threads=source.read("THREADS", a_number(1, 256), 8),
        trusted_proxies=source.read("TRUSTED_PROXIES", a_number(0, 16), 0),
        log=cast(Literal["pretty", "json"], source.read("LOG", one_of({"pretty", "json"}), "pretty")),
        metrics_port=metrics_port,
        otlp_endpoint=source.read_foreign("OTEL_EXPORTER_OTLP_ENDPOINT", an_http_url),
        drain_seconds=source.read("DRAIN_SECONDS", a_number(0, 600), 2),
        verify_views_hours=source.read("VERIFY_VIEWS_HOURS", a_number(0, 8760), 24),
        rate_limit_url=source.read("RATE_LIMIT_URL", a_word, None),
        limits=_limits(source),
    )


def _limits(source: Source) -> Limits:
    default, count = Limits(), a_number(1, 1_000_000)
    return Limits(
        sign_in_per_login=source.read("SIGN_IN_LIMIT_PER_LOGIN", count, default.sign_in_per_login),
        sign_in_per_address=source.read("SIGN_IN_LIMIT_PER_ADDRESS", count, default.sign_in_per_address),
        registration_per_address=source.read("REGISTRATION_LIMIT_PER_ADDRESS", count, default.registration_per_address),
        authorization_per_address=source.read("AUTHORIZATION_LIMIT_PER_ADDRESS", count, default.authorization_per_address),
        api_calls_per_minute=source.read("API_CALLS_PER_MINUTE", count, default.api_calls_per_minute),
        loopback_factor=source.read("LOOPBACK_LIMIT_FACTOR", count, default.loopback_factor),
    )


def _keys(text: str) -> tuple[bytes, ...]:
    try:
        return parse_keys(text)
    except ValueError as error:
        raise ValueError(f"{error}{'' if 'openssl' in str(error) else ': make one with `openssl rand -base64 32`'}") from None


def _given_keys(source: Source, *, embedded: bool) -> RootKeys:
    if embedded:
        return RootKeys(*(source.read(name, _keys, _NO_KEYS) for name in _KEYS))
    return RootKeys(*(source.require(name, _keys, _NEEDED) or _NO_KEYS for name in _KEYS))


def _with_kept_keys(source: Source, settings: Settings, *, embedded: bool) -> Settings:
    """The settings with the data directory's keys in the place of those that are not given. Where something is wrong, none are made: only looked."""
    keys = RootKeys(settings.secret_keys, settings.wrapping_keys, settings.ledger_key)
    if embedded and not all((keys.secret, keys.wrapping, keys.ledger)):
        try:
            if source.errors:
                check_data_dir(settings.data_dir)
            else:
                kept = kept_root_keys(settings.data_dir)
                keys = RootKeys(keys.secret or kept.secret, keys.wrapping or kept.wrapping, keys.ledger or kept.ledger)
        except DataDirError as error:
            source.errors.append(str(error))
    _refuse_one_key_for_two(source, keys)
    return replace(settings, secret_keys=keys.secret, wrapping_keys=keys.wrapping, ledger_key=keys.ledger)


def _refuse_one_key_for_two(source: Source, keys: RootKeys) -> None:
    seen: set[bytes] = set()
    for name, of_kind in zip(_KEYS, (keys.secret, keys.wrapping, keys.ledger), strict=True):
        if seen & set(of_kind):
            source.errors.append(f"GRANTBOOK_{name} holds a key that another setting holds too: each kind needs its own.")
        seen |= set(of_kind)


def _refuse_one_role_for_both(source: Source, database_url: str | None, owner_url: str | None, *, embedded: bool) -> None:
    if embedded and owner_url is not None:
        source.errors.append("GRANTBOOK_OWNER_DATABASE_URL stands without GRANTBOOK_DATABASE_URL: give both, or neither for an embedded database.")
    if owner_url is None or database_url is None:
        return
    users = [conninfo_to_dict(url).get("user") for url in (database_url, owner_url)]
    if users[0] is not None and users[0] == users[1]:
        source.errors.append(
            "GRANTBOOK_OWNER_DATABASE_URL and GRANTBOOK_DATABASE_URL name the same role: history is append-only for a role "
            "that doesn't own the tables, so name two."
        )


def _refuse_one_port_for_two(source: Source, ports: Mapping[str, int | None]) -> None:
    taken: dict[int, str] = {}
    for name, port in ports.items():
        if port is not None and taken.setdefault(port, name) != name:
            source.errors.append(f"GRANTBOOK_{name} is {port}, as GRANTBOOK_{taken[port]} is: each needs a port of its own.")


def _own_port(base_url: str) -> int:
    """Over https a proxy has the public port; over http we are the server that the URL names."""
    parts = urlsplit(base_url)
    return parts.port or 80 if parts.scheme == "http" else 8000


def _a_ledger_origin(text: str) -> str:
    if "://" in text or text.endswith("/") or "+" in text or len(text.split()) != 1:
        raise ValueError("must be a URL without scheme and trailing slash, without blanks and '+'")
    return text
