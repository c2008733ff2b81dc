"""A member asks the admins to approve an app that waits for them: recorded on the member's own consent, and nothing is granted."""

from __future__ import annotations

from uuid import UUID

from application.approve_consent import AppRefused
from application.begin_authorization import PendingRequest
from application.ports import Recorded
from application.retrying import until_settled
from application.services import Origin, Services
from domain.access import app_refusal
from domain.account import Account
from domain.base import Stream
from domain.client import Client
from domain.consent import Consent
from domain.errors import Refused
from domain.ids import consent_stream
from domain.member import Member


def ask(services: Services, pending: PendingRequest, member_id: str, *, reason: str | None, origin: Origin) -> Recorded | None:
    """Record who asked, for which scopes and why; None if they asked within a day, or nobody needs to decide any more.

    The authorization request stays as it is: once the app is approved, its page can be answered.
    """
    wanted: list[tuple[type[Stream], UUID]] = [
        (Account, UUID(pending.account_id)),
        (Client, UUID(pending.client_stream)),
        (Member, UUID(member_id)),
        (Consent, consent_stream(pending.account_id, member_id, pending.client_stream)),
    ]

    def attempt() -> Recorded | None:
        account, client, member, consent = services.store.load_many(wanted)
        if account is None or client is None or member is None or member.account_id != pending.account_id or not member.active:
            raise Refused("You can't ask for apps in this account.")
        refusal = app_refusal(client, account)
        if refusal is None:
            return None
        if refusal != "app_pending":
            raise AppRefused("This app may not act in this account now.", refusal)
        context = services.context(pending.account_id, origin, actor_id=member_id, client_stream=pending.client_stream)
        own = Consent.blank(wanted[3][1], context) if consent is None else consent.copy()
        own.ask_approval(
            context, member_id=member_id, for_client=pending.client_stream, requested=pending.scopes, resource=pending.resource, reason=reason
        )
        return services.store.append([own]) if own.pending_events else None

    return until_settled(attempt)
