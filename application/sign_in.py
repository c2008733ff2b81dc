"""Signing in by password and out again; guessing is counted in PostgreSQL and refused with a time to wait, never by sleeping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from application import emails, password_rules
from application.browser_sessions import SESSION_LIFE, SignedIn, open_session
from application.counting import count
from application.lookups import account_of
from application.manage_members import PASSWORD
from application.ports import Recorded
from application.retrying import until_settled
from application.services import Origin, Services
from application.sign_in_limits import WINDOW, Trial, browser_token, count_try, forgive, window_of
from domain.auth_provider import password_allowed
from domain.member import Member
from domain.sign_in import Method, SignIn

__all__ = [
    "SESSION_LIFE", "WINDOW", "SignInRefused", "SignedIn", "end", "failures_bucket", "known_browser", "note_failure", "sign_in_with_password",
    "window_of",
]  # fmt: skip

EACH_RECORDED = 30
"""Failures of an account that are recorded one by one in a minute; the rest of the minute becomes one counted event."""
MINUTE = timedelta(minutes=1)
_MAXIMUM_TYPED = 1024


@dataclass(frozen=True, slots=True)
class SignInRefused:
    """Wrong address or password, which of the two is never said; or too many tries, with the seconds to wait; or passwords don't count here."""

    retry_after: int | None = None
    sso_only: bool = False


def sign_in_with_password(
    services: Services, account_id: str, email: str, password: str, origin: Origin, *, known_browsers: Sequence[str] = ()
) -> SignedIn | SignInRefused:
    """Sign a member in, and open a browser session (idle limit: the reader's business; absolute limit: `SESSION_LIFE`).

    `known_browsers`: what the browser kept of earlier sign-ins (`known_browser`).
    """
    key = _login_key(services, account_id, email)
    trial = Trial(account_id, key, origin, services.clock(), known_browsers)
    counted = count_try(services, trial)
    found = services.store.tables().login(account_id, PASSWORD, "", key)
    if counted.wait is not None:
        _note(services, trial, found[0] if found else None, "limited")
        return SignInRefused(counted.wait)
    member_id, secret = (UUID(found[0]), found[1]) if found else (services.new_id(), None)
    # An unknown address takes the same steps: one password check, one read of a member.
    typed = password_rules.prepared(password) if len(password) <= _MAXIMUM_TYPED else ""
    right = services.passwords.verify(typed, secret)
    member = services.store.load(Member, member_id)
    account = account_of(services, account_id)
    allowed = password_allowed(account, str(member_id))
    if not right or member is None or not member.active or not allowed:
        reason = "wrong" if not right else "deactivated" if member is None or not member.active else "sso_enforced"
        _note(services, trial, str(member_id) if found else None, reason)
        # Where SSO is enforced every refusal says so: another one would tell a right password from a wrong one.
        return SignInRefused(sso_only=not password_allowed(account, ""))
    forgive(services, trial, counted)
    return until_settled(lambda: _open(services, trial, member_id, secret))


def end(services: Services, account_id: str, id_hash: bytes, origin: Origin, reason: str = "signed_out") -> Recorded | None:
    """Sign out: the browser session is gone at once; None if there was none."""
    session = services.store.tables().browser_session(id_hash)
    if session is None or session["account_id"] != account_id:
        return None

    def attempt() -> Recorded | None:
        stream = services.store.load(SignIn, UUID(str(session["sign_in_id"])))
        if stream is None or not stream.live:
            services.store.tables().remove_browser_session(id_hash)
            return None
        ending = stream.copy()
        ending.end(services.context(account_id, origin, actor_id=session["member_id"]), reason)
        return services.store.append([ending], also=lambda t: t.remove_browser_session(id_hash))

    return until_settled(attempt)


def failures_bucket(account_id: str) -> str:
    """The counter of an account's failed sign-ins by the minute."""
    return f"sign-in-failed:{account_id}"


def known_browser(services: Services, account_id: str, email: str) -> str:
    """What a browser in which this login has just signed in may keep, so that others' wrong tries don't keep it out."""
    return browser_token(services, account_id, _login_key(services, account_id, email))


def _login_key(services: Services, account_id: str, email: str) -> bytes:
    return services.login_key(account_id, emails.looked_up(email))


def _open(services: Services, trial: Trial, member_id: UUID, secret: str | None) -> SignedIn | SignInRefused:
    """Judged on the member, and on the secret that was compared being the one that counts at that version of the member."""
    member = services.store.load(Member, member_id)
    if member is None or not member.active or services.store.tables().login(trial.account_id, PASSWORD, "", trial.key) != (str(member_id), secret):
        return SignInRefused()
    account = account_of(services, trial.account_id)
    if not password_allowed(account, str(member_id)):
        return SignInRefused(sso_only=True)
    return open_session(services, trial.account_id, trial.origin, member, method="password", judged=[account])


def note_failure(
    services: Services, account_id: str, origin: Origin, *, method: Method, member_id: str | None, login_key: bytes | None, reason: str
) -> None:
    """Record the failure, or only count it where there are too many: the sweep then records their number."""
    count("sign_ins", method, reason)
    if services.store.tables().count(failures_bucket(account_id), window_of(services.clock(), MINUTE)) > EACH_RECORDED:
        return
    context = services.context(account_id, origin, about=member_id)
    stream = SignIn.blank(services.new_id(), context)
    stream.fail(context, method=method, member_id=member_id, login_key=login_key.hex() if login_key else None, reason=reason, count=1)
    services.store.append([stream])


def _note(services: Services, trial: Trial, member_id: str | None, reason: str) -> None:
    """A member is named, so that erasing them leaves nothing of it; of anybody else stands a hash of the day, which no login is stored under."""
    unknown = None if member_id else services.login_key(trial.account_id, f"failed:{trial.now:%Y-%m-%d}:{trial.key.hex()}")
    note_failure(services, trial.account_id, trial.origin, method="password", member_id=member_id, login_key=unknown, reason=reason)
