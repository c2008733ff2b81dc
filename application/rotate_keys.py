"""Signing keys: published, used once every worker has read them, retired when the last token they signed has died."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from application.lookups import as_uuid, stream_of
from application.ports import NewSigningKey, Recorded, Tables
from application.retrying import until_settled
from application.services import Origin, Services
from domain.base import Context
from domain.errors import NotFound
from domain.policies import SessionPolicy
from domain.signing_key import SigningKey, Use

USES: tuple[Use, ...] = get_args(Use)
REREAD = timedelta(seconds=30)
"""How often workers read the table again; a published key is used after twice that."""
_MARGIN = timedelta(minutes=5)
_SHORTEST_KEEP = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """A new key, the time from which it signs, and what was recorded."""

    kid: str
    use: Use
    activate_at: datetime
    recorded: Recorded


Stage = Literal["waiting", "signing", "checking", "retired"]


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key without its private part. `stage`: waits for its time, signs, is only kept to check what it signed, is gone; `next_at`: until when."""

    kid: str
    use: Use
    alg: str
    stage: Stage
    created_at: datetime
    activate_at: datetime
    retired_at: datetime | None
    next_at: datetime | None


def key_states(services: Services, account_id: str, policy: SessionPolicy) -> tuple[KeyState, ...]:
    """The account's keys, the newest of each use first."""
    now, found = services.clock(), services.store.tables().signing_keys(account_id)
    states: list[KeyState] = []
    for use in USES:
        of_use = sorted((key for key in found if key["use"] == use), key=_activate_at, reverse=True)
        in_use = [key for key in of_use if key["status"] != "retired" and _activate_at(key) <= now]
        for key in of_use:
            stage, until = _stage(key, in_use, policy, now)
            facts = {name: key[name] for name in ("kid", "use", "alg", "created_at")}
            retired_at = key["retire_at"] if key["status"] == "retired" else None
            states.append(KeyState(**facts, stage=stage, activate_at=_activate_at(key), retired_at=retired_at, next_at=until))
    return tuple(states)


def _stage(key: dict[str, Any], in_use: list[dict[str, Any]], policy: SessionPolicy, now: datetime) -> tuple[Stage, datetime | None]:
    if key["status"] == "retired":
        return "retired", None
    if _activate_at(key) > now:
        return "waiting", _activate_at(key)
    return ("signing", None) if key is in_use[0] else ("checking", _activate_at(in_use[0]) + _kept(policy))


def _kept(policy: SessionPolicy) -> timedelta:
    """How long a key stays readable after another took over."""
    return max(_SHORTEST_KEEP, timedelta(seconds=policy.access_token_ttl)) + _MARGIN


def new_key(services: Services, use: Use, context: Context) -> tuple[SigningKey, NewSigningKey]:
    """A key and its stream, published but not appended."""
    stream = SigningKey.blank(services.new_id(), context)
    made = services.access_tokens.new_key(stream.id.hex)
    stream.publish(stream.id.hex, use, made.alg, context)
    return stream, made


def store_key(tables: Tables, account_id: str, stream: SigningKey, made: NewSigningKey, now: datetime, activate_at: datetime) -> None:
    """Write the key beside its event."""
    tables.add_signing_key(stream.kid, account_id, stream.use, made.alg, made.public_jwk, made.private_wrapped, now, activate_at)


def rotate(services: Services, account_id: str, use: Use, *, origin: Origin, actor_id: str | None = None) -> PublishedKey:
    """Publish a new key; it takes over by itself, and the old one stays readable until its last token has died."""
    context = services.context(account_id, origin, actor_id=actor_id)
    activate_at = context.now + 2 * REREAD
    stream, made = new_key(services, use, context)
    recorded = services.store.append([stream], also=lambda t: store_key(t, account_id, stream, made, context.now, activate_at))
    services.access_tokens.forget()  # so that this process publishes it at once
    return PublishedKey(stream.kid, use, activate_at, recorded)


def advance(services: Services, account_id: str, policy: SessionPolicy, origin: Origin) -> int:
    """Activate what is due and retire what has signed nothing alive; how many keys changed. Run by the sweep."""
    now, changed = services.clock(), 0
    keys = services.store.tables().signing_keys(account_id)
    for use in USES:
        of_use = sorted((k for k in keys if k["use"] == use and k["status"] != "retired"), key=_activate_at)
        for key in of_use:
            if key["status"] == "published" and _activate_at(key) <= now:
                changed += _move(services, account_id, key["kid"], "active", origin)
        in_use = [k for k in of_use if _activate_at(k) <= now]
        if len(in_use) > 1 and _activate_at(in_use[-1]) + _kept(policy) <= now:
            changed += sum(_move(services, account_id, key["kid"], "retired", origin) for key in in_use[:-1])
    return changed


def _activate_at(key: dict[str, Any]) -> datetime:
    at = key["activate_at"] or key["created_at"]
    assert isinstance(at, datetime)
    return at


def _move(services: Services, account_id: str, kid: str, status: str, origin: Origin) -> bool:
    def attempt() -> bool:
        stream = stream_of(services, SigningKey, as_uuid(kid), account_id, missing="There is no such signing key.")
        context = services.context(account_id, origin)
        if stream.status == status:
            return False
        if status == "active":
            stream.activate(context)
        else:
            stream.retire(context)
        services.store.append([stream], also=lambda t: t.set_signing_key_status(kid, status, context.now))
        return True

    try:
        return until_settled(attempt)
    except NotFound:
        return False
