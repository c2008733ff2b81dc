"""The root keys: 32 bytes each, newest first; in embedded mode made at the first start and kept in the data directory."""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from infrastructure.data_dir import DataDirError, make_data_dir, write_private

KEY_BYTES = 32
_HEX = re.compile(r"[0-9a-fA-F]{64}")
_FEWEST_DISTINCT_BYTES = 12  # 32 random bytes have fewer than this once in 10^20


@dataclass(frozen=True, slots=True)
class RootKeys:
    """`secret` for tokens and cookies, `wrapping` for personal data, `ledger` for checkpoints: each a list, newest first."""

    secret: tuple[bytes, ...] = field(repr=False)
    wrapping: tuple[bytes, ...] = field(repr=False)
    ledger: tuple[bytes, ...] = field(repr=False)


def parse_keys(text: str) -> tuple[bytes, ...]:
    """Read a comma- or line-separated list of keys in base64 or hex; raise `ValueError` that never repeats what it read."""
    parts = [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]
    if not parts:
        raise ValueError("holds no key")
    keys = tuple(_parse_key(part, number) for number, part in enumerate(parts, 1))
    if len(set(keys)) < len(keys):
        raise ValueError("holds the same key twice")
    return keys


def kept_root_keys(data_dir: Path) -> RootKeys:
    """Read the keys of an embedded store, or make them for a new one; raise `DataDirError` where that can't be."""
    make_data_dir(data_dir)
    files = {kind: data_dir / f"{kind}.keys" for kind in ("secret", "wrapping", "ledger")}
    with _turn(data_dir):
        missing = [path for path in files.values() if not path.exists()]
        if missing and (len(missing) < len(files) or _holds_database(data_dir)):
            raise DataDirError(
                f"{missing[0]} is missing beside the data that needs it: restore it from a backup, or begin anew in another data directory."
            )
        for path in missing:
            write_private(path, base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() + "\n")
    return RootKeys(**{kind: _read(path) for kind, path in files.items()})


@contextlib.contextmanager
def _turn(data_dir: Path) -> Iterator[None]:
    """Two first starts at once must agree on the keys."""
    try:
        lock = os.open(data_dir / "keys.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DataDirError(f"{data_dir}/keys.lock can't be opened ({error.strerror}): run Grantbook as the user that made it.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _read(path: Path) -> tuple[bytes, ...]:
    try:
        if path.stat().st_mode & 0o077:
            raise DataDirError(f"Others may read the keys in {path}: run `chmod 600` on it, and change them if anyone did.")
        return parse_keys(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataDirError(f"{path} can't be read ({error.strerror}): run Grantbook as the user that made it.") from error
    except ValueError as error:
        raise DataDirError(f"{path} is damaged (it {error}): restore it from a backup.") from error


def _holds_database(data_dir: Path) -> bool:
    return (data_dir / "postgres").exists() or (data_dir / "postgres.path").exists()


def _parse_key(text: str, number: int) -> bytes:
    try:
        standard = text.replace("-", "+").replace("_", "/").rstrip("=")
        key = bytes.fromhex(text) if _HEX.fullmatch(text) else base64.b64decode(f"{standard}{'=' * (-len(standard) % 4)}", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"holds a key (number {number}) that is neither base64 nor hex") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"holds a key (number {number}) of {len(key)} bytes instead of {KEY_BYTES}")
    if len(set(key)) < _FEWEST_DISTINCT_BYTES:
        raise ValueError(f"holds a key (number {number}) that is no random one: make it with `openssl rand -base64 32`")
    return key
