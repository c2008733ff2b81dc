"""Revocation by the client (RFC 7009): a refresh token or an access token ends its grant, a foreign one stays as it is."""

from __future__ import annotations

from uuid import UUID

from application.issuing import context_of, unknown_client
from application.lookups import as_uuid
from application.retrying import until_settled
from application.services import Origin, Services
from domain.client import Client
from domain.ids import client_stream_from
from domain.tokens import REFRESH


def revoke_token(services: Services, account_id: str, *, client_id: str, token: str, origin: Origin) -> None:
    """End the grant of the token if it is this client's; `TokenRefused` if there is no such client. A hint would change nothing."""
    grant_id = _grant_of(services, client_id, token)
    if grant_id is not None and _end(services, account_id, client_id, grant_id, origin):
        return
    stream_id = client_stream_from(client_id, account_id)
    client = None if stream_id is None else services.store.load(Client, stream_id)
    if client is None or client.account_id != account_id or client.client_id != client_id or client.removed:
        raise unknown_client()


def _grant_of(services: Services, client_id: str, token: str) -> UUID | None:
    ours = services.codec.read(token)
    if ours is not None:
        return ours.grant_id if ours.kind == REFRESH else None
    claims = services.access_tokens.read(token, services.clock())
    return as_uuid(claims["grant_id"]) if claims is not None and claims["client_id"] == client_id else None


def _end(services: Services, account_id: str, client_id: str, grant_id: UUID, origin: Origin) -> bool:
    """Whether the grant is the client's; then it is ended."""

    def attempt() -> bool:
        standing = services.store.standing(grant_id)
        if standing is None or standing.grant.account_id != account_id or standing.grant.client_id != client_id:
            return False
        grant = standing.grant.copy()
        grant.revoke("client", context_of(services, standing.grant, origin))
        if grant.pending_events:
            services.store.append_ending([grant])
        return True

    return until_settled(attempt)
