"""The wrapping keys' rotation with destruction: what makes old copies of an erased person's keys unreadable, in dumps, dead rows and WAL alike."""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from domain.errors import Refused
from infrastructure.data_dir import write_private
from infrastructure.rewrapping import rewrap_data_keys
from infrastructure.root_keys import KEY_BYTES, parse_keys
from infrastructure.run_lock import RunLock
from infrastructure.settings import Settings
from infrastructure.store.sealing import Wrapping, kek_id_of

WITHIN = timedelta(days=30)
"""How old a wrapping key may get: an erasure is complete when the key that was in use at its time is destroyed."""

_SINCE = "wrapping.since:"
_USED = "SELECT kek_id, count(*) FROM subject_keys GROUP BY 1"
Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """A wrapping key by its id: how many data keys it wraps, since when it is the newest one, whether it is configured and whether it wraps."""

    kek_id: str
    data_keys: int
    since: datetime | None
    configured: bool
    newest: bool

    @property
    def may_go(self) -> bool:
        return self.configured and not self.newest and self.data_keys == 0


@dataclass(frozen=True, slots=True)
class Rotated:
    """`destroyed`: ids of keys that are gone; `may_go`: of those that whoever configures them may destroy now; `lost`: data keys that none opens."""

    rewrapped: int
    lost: int
    newest: str
    destroyed: tuple[str, ...]
    may_go: tuple[str, ...]


def in_use(connection: Connection, wrapping_keys: tuple[bytes, ...], now: datetime) -> list[WrappingKey]:
    """The configured keys, the newest first, then those that only data keys name. Remembers when the newest one was first seen."""
    counts = dict(connection.execute(_USED).fetchall())
    ids = [kek_id_of(key) for key in wrapping_keys]
    first = f"{_SINCE}{ids[0]}"
    connection.execute("INSERT INTO store_meta (key, value) VALUES (%s, %s) ON CONFLICT DO NOTHING", (first, now.isoformat()))
    rows = connection.execute("SELECT key, value FROM store_meta WHERE starts_with(key, %s)", (_SINCE,)).fetchall()
    since = {key.removeprefix(_SINCE): datetime.fromisoformat(value) for key, value in rows}
    others = sorted(counts.keys() - set(ids))
    return [WrappingKey(k, counts.get(k, 0), since.get(k), k in ids, k == ids[0]) for k in (*ids, *others)]


def rotate(connection: Connection, settings: Settings, now: datetime) -> Rotated:
    """Wrap every live data key under the newest wrapping key. Where an embedded store keeps the list, a new key is made first and the old ones are
    destroyed after; else whoever sets GRANTBOOK_WRAPPING_KEYS is told which may go. May be repeated after a crash at any point."""
    file = settings.data_dir / "wrapping.keys"
    if settings.embedded and file.exists() and parse_keys(file.read_text(encoding="utf-8")) == settings.wrapping_keys:
        with RunLock(settings.data_dir, {"url": "keys rotate-wrapping"}):
            return _rotate_kept(connection, settings.wrapping_keys, file, now)
    return _rewrapped(connection, settings.wrapping_keys, now)


def _rotate_kept(connection: Connection, kept: tuple[bytes, ...], file: Path, now: datetime) -> Rotated:
    """A list of several is what an interrupted rotation left: it is finished."""
    keys = kept if len(kept) > 1 else (secrets.token_bytes(KEY_BYTES), *kept)
    _write(file, keys)
    done = _rewrapped(connection, keys, now)
    if done.lost:
        raise Refused(f"{done.lost} data keys open with no key of {file}: none was destroyed. Put the key that is missing back into that file.")
    left = [found.kek_id for found in in_use(connection, keys, now) if found.data_keys and not found.newest]
    if left:
        raise Refused(f"Data keys are still wrapped by {', '.join(left)}: another process wrote them just now. Run this again.")
    _overwrite(file)
    _write(file, keys[:1])
    gone = tuple(kek_id_of(key) for key in keys[1:])
    return replace(done, destroyed=gone, may_go=())


def _rewrapped(connection: Connection, keys: tuple[bytes, ...], now: datetime) -> Rotated:
    done, lost = rewrap_data_keys(connection, Wrapping(keys))
    found = in_use(connection, keys, now)
    return Rotated(done, lost, found[0].kek_id, (), tuple(each.kek_id for each in found if each.may_go))


def _write(file: Path, keys: tuple[bytes, ...]) -> None:
    write_private(file, "".join(f"{base64.b64encode(key).decode()}\n" for key in keys))


def _overwrite(file: Path) -> None:
    """The old text itself, not only its name: as far as the file system writes in place."""
    with file.open("r+b") as kept:
        kept.write(secrets.token_bytes(file.stat().st_size))
        kept.flush()
        os.fsync(kept.fileno())
