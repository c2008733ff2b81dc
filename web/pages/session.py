"""The browser session of a request: who is signed in, asked from the write side each time, and what they may see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from hashlib import sha256
from typing import Any, Final, cast
from urllib.parse import urlencode
from uuid import UUID

from flask import g, redirect, request, url_for
from flask import session as form_cookie
from werkzeug.wrappers import Response as BaseResponse

from domain.account import Account
from domain.member import Member
from web.pages.context import account_id, secure, services

IDLE: Final = timedelta(hours=12)
FRESH: Final = timedelta(hours=1)
_TOUCH_EVERY: Final = timedelta(minutes=1)
_NAME: Final = "gb_session"

View = Callable[..., Any]


class NotAllowedHere(Exception):
    """The signed-in person's role does not reach this page. `needs` says what would."""

    def __init__(self, needs: str) -> None:
        super().__init__(needs)
        self.needs = needs


@dataclass(frozen=True, slots=True)
class SignedInMember:
    """A person with a live browser session, and the member as the write side knows it now."""

    account_id: str
    member_id: str
    member: Member
    id_hash: bytes
    sign_in_id: UUID
    authenticated_at: datetime

    @property
    def may_manage(self) -> bool:
        return self.member.holds("account.manage")

    @property
    def sees_settings(self) -> bool:
        return self.member.holds("account.read") and self.member.holds("audit.read")


def cookie_name() -> str:
    return f"__Host-{_NAME}" if secure() else _NAME


def set_cookie(response: BaseResponse, secret: str) -> None:
    """Begin a browser session; form tokens of whoever used this browser before end with it."""
    form_cookie.clear()
    response.set_cookie(cookie_name(), secret, secure=secure(), httponly=True, samesite="Lax", path="/")


def clear_cookie(response: BaseResponse) -> None:
    form_cookie.clear()
    response.delete_cookie(cookie_name(), secure=secure(), httponly=True, samesite="Lax", path="/")


def current_member() -> SignedInMember | None:
    """The signed-in person of this request, or None; read once per request."""
    if "signed_in" not in g:
        g.signed_in = _read()
    return cast("SignedInMember | None", g.signed_in)


def _read() -> SignedInMember | None:
    secret = request.cookies.get(cookie_name(), "")
    if not 20 <= len(secret) <= 200:
        return None
    store, now, id_hash = services().store, services().clock(), sha256(secret.encode()).digest()
    row = store.tables().browser_session(id_hash)
    if row is None or str(row["account_id"]) != account_id() or now >= row["expires_at"] or now - row["last_seen_at"] >= IDLE:
        return None
    member, g.account = store.load_many([(Member, UUID(str(row["member_id"]))), (Account, UUID(account_id()))])
    if member is None or not member.active:
        return None
    if now - row["last_seen_at"] >= _TOUCH_EVERY:
        store.tables().touch_browser_session(id_hash, now)
    return SignedInMember(
        account_id=account_id(),
        member_id=str(row["member_id"]),
        member=member,
        id_hash=id_hash,
        sign_in_id=UUID(str(row["sign_in_id"])),
        authenticated_at=row["authenticated_at"],
    )


def this_page() -> str:
    """The path and query of a page that can be opened again after signing in: a form's own page for a POST."""
    path = request.full_path if request.query_string else request.path
    return path.rstrip("?")


def to_sign_in(page: str, *, again: bool = False) -> BaseResponse:
    query = {"next": page} | ({"again": "1"} if again else {})
    return redirect(f"{url_for('sign_in.show')}?{urlencode(query)}", 303)


def signed_in() -> SignedInMember:
    """The signed-in person, in a view under one of the guards below."""
    person = current_member()
    assert person is not None
    return person


def _guarded(view: View, allowed: Callable[[SignedInMember], bool], needs: str, *, fresh: bool) -> View:
    @wraps(view)
    def guard(*args: Any, **kwargs: Any) -> Any:
        person = current_member()
        if person is None:
            return to_sign_in(this_page())
        if not allowed(person):
            raise NotAllowedHere(needs)
        if fresh and services().clock() - person.authenticated_at > FRESH:
            return to_sign_in(this_page(), again=True)
        return view(*args, **kwargs)

    return guard


def for_everyone(view: View) -> View:
    """Guard: any signed-in person."""
    return _guarded(view, lambda _: True, "", fresh=False)


def for_readers(view: View) -> View:
    """Guard: `account.read` and `audit.read` (Account Viewer, Account Admin)."""
    return _guarded(view, lambda person: person.sees_settings, "account admins and viewers", fresh=False)


def for_admins(view: View) -> View:
    """Guard: `account.manage` (Account Admin)."""
    return _guarded(view, lambda person: person.may_manage, "account admins", fresh=False)


def for_admins_afresh(view: View) -> View:
    """Guard: an Account Admin who signed in less than an hour ago, for deeds that end access."""
    return _guarded(view, lambda person: person.may_manage, "account admins", fresh=True)


def local_path(text: str) -> str:
    """A path of ours to go on to, or nothing: no other site, no scheme, no control characters."""
    fits = text.startswith("/") and not text.startswith(("//", "/\\")) and len(text) <= 2000
    return text if fits and text.isprintable() and "\\" not in text else ""
