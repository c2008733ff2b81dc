"""POST /oauth/register: dynamic registration (RFC 7591)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from application.client_metadata import Document, contacts_of
from application.register_client import register_dynamic
from application.services import Origin, Services
from domain.client import Client
from web.oauth.answers import Answer, as_json
from web.oauth.errors import error_answer, error_json
from web.oauth.forms import Malformed, read_json

_CODE = "invalid_client_metadata"
_MOST_KEPT = 2048


def registration_answer(services: Services, account_id: str, body: bytes, content_type: str, origin: Origin) -> Answer:
    """201 with all that was registered, or the RFC's error; it never raises."""
    try:
        if content_type.partition(";")[0].strip().lower() != "application/json":
            return error_json(400, _CODE, "The metadata is sent as application/json.", [])
        document = _known(body) if _may_be_kept(body) else _document(body)
        client = register_dynamic(services, account_id, document, origin)
        return as_json(201, _echo(client, contacts_of(document)))
    except Malformed as error:
        return error_json(error.status, _CODE, error.message, [])
    except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer in the RFC's form
        return error_answer(error)


def _document(body: bytes) -> Any:
    """What the body says; of an object, a `Document`."""
    read = read_json(body)
    return Document(read) if isinstance(read, dict) else read


_known = lru_cache(maxsize=256)(_document)
"""Apps register time and again, in the same words."""


def _may_be_kept(body: bytes) -> bool:
    """Whether it is small and names no contacts, which are personal."""
    return len(body) <= _MOST_KEPT and b"contacts" not in body and b"\\" not in body


def _echo(client: Client, contacts: list[str]) -> dict[str, Any]:
    """All metadata as registered (RFC 7591 3.2.1). There is no secret, so no member speaks of one."""
    told = {"client_id": client.client_id, "client_id_issued_at": int(client.created_on.timestamp()), **client.metadata}
    return {**told, "contacts": contacts} if contacts else told
