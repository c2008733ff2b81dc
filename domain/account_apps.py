"""Decisions about apps, by fingerprint, on the account's stream: approved, blocked, unblocked, verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

from domain.base import Context
from domain.errors import Refused

AppStatus = Literal["undecided", "approved", "blocked"]


@dataclass(frozen=True, slots=True)
class AppDecision:
    """What admins decided about an app (by fingerprint). `ended` is the version of its last block, which ended its grants for good."""

    status: AppStatus = "undecided"
    approved: bool = False
    verified: bool = False
    ended: int = 0


class HasApps(Protocol):
    """The account, as far as apps are concerned; its events are nested in it."""

    @property
    def AppApproved(self) -> type[Any]: ...  # noqa: N802  # an event of the account
    @property
    def AppBlocked(self) -> type[Any]: ...  # noqa: N802  # an event of the account
    @property
    def AppUnblocked(self) -> type[Any]: ...  # noqa: N802  # an event of the account
    @property
    def AppVerified(self) -> type[Any]: ...  # noqa: N802  # an event of the account

    apps: dict[str, AppDecision]

    def app(self, fingerprint: str) -> AppDecision: ...
    def record(self, event_class: type[Any], context: Context, **facts: Any) -> None: ...


class AppDecisions:
    """What an account decides about apps."""

    def app(self: HasApps, fingerprint: str) -> AppDecision:
        """What was decided about an app; an undecided one if nothing was."""
        return self.apps.get(fingerprint, AppDecision())

    def approve_app(self: HasApps, fingerprint: str, client_name: str, context: Context, reason: str | None = None) -> None:
        decision = self.app(fingerprint)
        if decision.status == "blocked":
            raise Refused("This app is blocked. Unblock it first.")
        if decision.status != "approved":
            self.record(self.AppApproved, context, fingerprint=fingerprint, client_name=client_name, reason=context.words(reason))

    def block_app(self: HasApps, fingerprint: str, client_name: str, context: Context, reason: str | None = None) -> None:
        if self.app(fingerprint).status != "blocked":
            self.record(self.AppBlocked, context, fingerprint=fingerprint, client_name=client_name, reason=context.words(reason))

    def unblock_app(self: HasApps, fingerprint: str, client_name: str, context: Context, reason: str | None = None) -> None:
        if self.app(fingerprint).status == "blocked":
            self.record(self.AppUnblocked, context, fingerprint=fingerprint, client_name=client_name, reason=context.words(reason))

    def verify_app(self: HasApps, fingerprint: str, client_name: str, context: Context, *, verified: bool = True, reason: str | None = None) -> None:
        if self.app(fingerprint).verified != verified:
            self.record(self.AppVerified, context, fingerprint=fingerprint, client_name=client_name, reason=context.words(reason), verified=verified)
