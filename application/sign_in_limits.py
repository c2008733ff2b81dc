"""How often signing in by password may be tried: by browser where it is known, else by login and network, so that nobody locks another out."""

from __future__ import annotations

import hmac
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from application import addresses
from application.services import Origin, Services

WINDOW = timedelta(minutes=15)
EVERYWHERE = 10
"""From all networks together a login may be tried so many times as often as from one; beyond that only known browsers may."""
_LONGEST_TOKEN = 200


@dataclass(frozen=True, slots=True)
class Trial:
    """What was typed, as far as it may be known (`key`: keyed hash of the login), and what the browser shows of earlier sign-ins."""

    account_id: str
    key: bytes
    origin: Origin
    now: datetime
    known_browsers: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """The counters that this try stands in; `wait` is the seconds to wait where it is one too many for one of them."""

    buckets: tuple[str, ...]
    wait: int | None = None


def count_try(services: Services, trial: Trial) -> Counted:
    """Count it before the password is looked at; what is refused counts against nobody beyond the counter that refused it."""
    start, taken = window_of(trial.now, WINDOW), []
    factor = services.limits.loopback_factor if addresses.is_loopback(trial.origin.address) else 1
    for bucket, limit in _counters(services, trial):
        taken.append(bucket)
        if services.store.tables().count(bucket, start) > limit * factor:
            return Counted(tuple(taken), max(1, math.ceil((start + WINDOW - trial.now).total_seconds())))
    return Counted(tuple(taken))


def forgive(services: Services, trial: Trial, counted: Counted) -> None:
    """A right password doesn't count."""
    start = window_of(trial.now, WINDOW)
    for bucket in counted.buckets:
        services.store.tables().count(bucket, start, -1)


def browser_token(services: Services, account_id: str, login_key: bytes) -> str:
    """What a browser keeps after a sign-in by password: it proves that this login signed in there, and opens nothing by itself."""
    nonce = services.new_secret()
    return f"{nonce}.{_proof(services, account_id, login_key, nonce)}"


def window_of(now: datetime, length: timedelta) -> datetime:
    """The beginning of the window of this length that holds `now`."""
    seconds = int(length.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, now.tzinfo)


def _counters(services: Services, trial: Trial) -> list[tuple[str, int]]:
    """The counters of this try with their limits, the narrowest first."""
    limits, prefix = services.limits, f"sign-in:{trial.account_id}"
    nonce = _known(services, trial)
    if nonce is not None:
        return [(f"{prefix}:browser:{nonce}", limits.sign_ins_per_login)]
    counters = [(f"{prefix}:login:{trial.key.hex()}", limits.sign_ins_per_login * EVERYWHERE)]
    if trial.origin.address is None:
        return [(f"{prefix}:nowhere:{trial.key.hex()}", limits.sign_ins_per_login), *counters]
    network = addresses.counted(services, trial.account_id, trial.origin.address)
    pair = services.login_key(trial.account_id, f"sign-in:{network}:{trial.key.hex()}").hex()
    return [(f"{prefix}:pair:{pair}", limits.sign_ins_per_login), (f"{prefix}:address:{network}", limits.sign_ins_per_address), *counters]


def _known(services: Services, trial: Trial) -> str | None:
    """The nonce of the browser's token for this login, if it has a genuine one."""
    for token in trial.known_browsers:
        nonce, _, proof = token.partition(".")
        if nonce and len(token) <= _LONGEST_TOKEN and token.isascii():
            expected = _proof(services, trial.account_id, trial.key, nonce)
            if hmac.compare_digest(expected.encode(), proof.encode()):
                return nonce
    return None


def _proof(services: Services, account_id: str, login_key: bytes, nonce: str) -> str:
    return services.login_key(account_id, f"known browser:{login_key.hex()}:{nonce}").hex()
