"""Idempotency-Key: a call that is sent again gets the first one's answer and does nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from flask import current_app, g, request
from werkzeug.wrappers import Response

from application.ports import KeptAnswer
from infrastructure.sealed_answers import AnswerSealer
from web.api import context
from web.api.problems import Problem

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotent-Replayed"
PATTERN: Final = r"^[!-~]{1,255}$"
_KEPT_HEADERS: Final = ("Content-Type", "ETag", "Location", "Grantbook-Position")
_VALID: Final = re.compile(r"[!-~]{1,255}\Z")


def once(owner: str, carry_out: Callable[[], Response]) -> Response:
    """The answer of `carry_out`, or the one that stands under this owner's key. Refused calls leave the key free."""
    key = request.headers.get(HEADER)
    if key is None:
        return carry_out()
    if not _VALID.match(key):
        raise Problem("malformed", f"{HEADER} has 1 to 255 visible ASCII characters.")
    tables, now = context.services().store.tables(), context.services().clock()
    key_id = _digest(owner, key)
    account_id = owner.partition(" ")[0]
    kept = tables.claim_idempotency_key(key_id, account_id, _request(), now)
    if kept is not None:
        return _again(kept, key)
    g.api_idempotency = key_id
    try:
        response = carry_out()
    except Exception:
        tables.release_idempotency_key(key_id)
        raise
    tables.keep_idempotent_answer(key_id, _sealer().seal(key, _packed(response)))
    return response


def _again(kept: KeptAnswer, key: str) -> Response:
    if kept.request != _request():
        raise Problem("idempotency-key-reused", "Use a new key for each different request.")
    if kept.answer is None and not kept.lost:
        raise Problem("idempotency-in-progress", "Ask again in a moment.", headers={"Retry-After": "1"})
    answer = None if kept.answer is None else _sealer().open(key, kept.answer)
    if answer is None:
        raise Problem("idempotency-answer-lost", "Read the state to see what it did; a new key would do it again.")
    packed: dict[str, Any] = msgspec.json.decode(answer)
    response = Response(base64.b64decode(packed["body"]), packed["status"])
    del response.headers["Content-Type"]
    response.headers.update(packed["headers"])
    response.headers.update({REPLAYED: "true", "Cache-Control": "no-store", "Vary": "Authorization"})
    return response


def _packed(response: Response) -> bytes:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    return msgspec.json.encode({"status": response.status_code, "headers": headers, "body": base64.b64encode(response.get_data()).decode()})


def _request() -> bytes:
    """The digest of what is asked; the same key with anything else is a mistake."""
    conditions = request.headers.get("If-Match", "")
    return _digest(request.method, request.path, request.query_string.decode("latin-1"), conditions, request.get_data(cache=True).hex())


def _digest(*parts: str) -> bytes:
    return hashlib.sha256(msgspec.json.encode(parts)).digest()


def _sealer() -> AnswerSealer:
    sealer = current_app.extensions.get("grantbook.answers")
    if sealer is None:
        sealer = current_app.extensions["grantbook.answers"] = AnswerSealer(context.grantbook().settings.secret_keys)
    assert isinstance(sealer, AnswerSealer)
    return sealer
