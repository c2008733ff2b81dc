"""Builds the policy page from the account's policies, or from what was typed, and reads its two forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from werkzeug.datastructures import MultiDict

from application.policy_what_if import MOST_APPS, WhatIf
from application.register_client import dynamic_scopes
from application.services import Services
from domain.account import Account
from domain.errors import InvalidInput
from domain.policies import SessionPolicy, changed, warnings
from projections.audit_log.queries import entries
from projections.sessions.queries import sessions_over_under
from web.pages.audit_sentences import Known
from web.pages.formatting import counted, duration, long_date
from web.pages.history import timeline
from web.pages.models import Choice
from web.pages.people import names
from web.pages.policy_models import Answer, Length, Mode, PolicyView, RegistrationForm, SessionForm, WouldRefuse

UNITS: Final = (("s", "seconds", 1), ("m", "minutes", 60), ("h", "hours", 3600), ("d", "days", 86400))
SHOWN: Final = 50
_LAST: Final = 8
_MODES: Final = (
    ("open", "Open", "Any app can register. People decide what it may do."),
    ("approval", "Approval required", "Any app can register, and nobody can connect it until an admin approves it. Apps that are here stay."),
    ("allow-list", "Allow-listed", "Only apps whose redirect hosts or software ID stand in the lists below can register."),
    ("off", "Off", "No app can register by itself. Admins add each one by hand."),
)
_BOTH: Final = "A shorter one holds for the sessions that are here at once, a longer one for sessions agreed from now on."
_LENGTHS: Final = (
    ("access_token_ttl", "An access token lives", "A service that checks tokens by itself trusts a revoked one this long.", _BOTH),
    ("idle_window", "An unused session ends after", "Counted from its last refresh.", _BOTH),
    ("absolute_lifetime", "Every session ends after", "Counted from the consent, however often it is used.", _BOTH),
    (
        "refresh_grace", "A spent refresh token still answers for",
        "A client that asks twice gets the same answer again; later use of a spent token ends the session.", "Holds for every session at once.",
    ),
    ("code_ttl", "An authorization code lives", "OAuth 2.1 says 60 seconds at most.", "Holds for codes that are out at once if it is shorter."),
)  # fmt: skip
_TEXTS: Final = {
    "allowed_redirect_hosts": "hosts", "allowed_software_ids": "software_ids", "registrations_per_hour": "per_hour",
    "registrations_total": "total", "reap_unused_after_days": "reap_days",
}  # fmt: skip
"""Settings of the registration policy, and the form's fields that hold them as text."""


def view_of(
    conn: Any, services: Services, account: Account, *, may_manage: bool, registration: RegistrationForm | None = None,
    sessions: SessionForm | None = None, answer: Answer | None = None,
) -> PolicyView:  # fmt: skip
    """The page; the forms as they stand, where nothing else was typed."""
    account_id = str(account.id)
    found = entries(conn, account_id, event_type="policy.changed", limit=_LAST)
    return PolicyView(
        included=account.has_apps,
        plan=account.plan,
        may_manage=may_manage,
        registration=registration or registration_form(account),
        sessions=sessions or session_form(account.session_policy),
        warnings=tuple(warnings(account.session_policy)),
        per_address=services.limits.registrations_per_address,
        history=timeline(found, Known(names(conn, account_id), account.projects)),
        answer=answer,
    )


# ---- registration


def registration_form(account: Account) -> RegistrationForm:
    policy = account.registration_policy
    return RegistrationForm(
        modes=_modes(policy.registration),
        hosts="\n".join(policy.allowed_redirect_hosts),
        software_ids="\n".join(policy.allowed_software_ids),
        scopes=_scopes(account, dynamic_scopes(account)),
        per_hour=str(policy.registrations_per_hour),
        total=str(policy.registrations_total),
        reap_days=str(policy.reap_unused_after_days),
    )


def typed_registration(account: Account, typed: MultiDict[str, str], errors: Mapping[str, str] | None = None) -> RegistrationForm:
    texts = {name: typed.get(name, "") for name in _TEXTS.values()}
    named = {_TEXTS.get(name, "scopes" if name == "dynamic_scopes" else name): words for name, words in (errors or {}).items()}
    return RegistrationForm(modes=_modes(typed.get("registration", "")), scopes=_scopes(account, typed.getlist("scope")), errors=named, **texts)


def registration_typed(account: Account, typed: MultiDict[str, str]) -> dict[str, str]:
    """The changes that the form asks for, as every door hands them to the use case; what is the policy already is left out."""
    policy, chosen = account.registration_policy, tuple(typed.getlist("scope"))
    if not chosen:
        raise InvalidInput("Choose at least one permission, or turn registration off.", field="dynamic_scopes")
    wanted = {"registration": typed.get("registration", ""), **{name: typed.get(field, "").strip() for name, field in _TEXTS.items()}}
    if set(chosen) != set(dynamic_scopes(account)):
        wanted["dynamic_scopes"] = ",".join(chosen)
    after = changed(policy, wanted)
    return {name: text for name, text in wanted.items() if getattr(after, name) != getattr(policy, name)}


def _modes(chosen: str) -> tuple[Mode, ...]:
    return tuple(Mode(value=value, words=words, detail=detail, chosen=value == chosen) for value, words, detail in _MODES)


def _scopes(account: Account, chosen: tuple[str, ...] | list[str]) -> tuple[Choice, ...]:
    return tuple(Choice(value=code, words=scope.title, chosen=code in chosen) for code, scope in account.scopes.items())


def answer_of(found: WhatIf, days: int) -> Answer:
    """`With this policy the last 90 days would have refused 3 apps, used by 2 people.`"""
    looked = f"the last {days} days" if found.apps < MOST_APPS else f"of the last {days} days the newest {counted(found.apps, 'app')}"
    if not found.apps:
        sentence = f"No app registered itself in the last {days} days, so this policy would have refused none."
    elif found.refused:
        people = f"used by {counted(found.people, 'person', 'people')}" if found.people else "used by nobody"
        sentence = f"With this policy {looked} would have refused {counted(len(found.refused), 'app')} of {found.apps:,}, {people}."
    else:
        sentence = f"With this policy {looked} would have refused none of {counted(found.apps, 'app')}."
    if found.waiting:
        sentence += f" {counted(found.waiting, 'app')} would have waited for an admin."
    rows = tuple(
        WouldRefuse(page_id=one.app.client_stream, name=one.app.name, why=one.why, people=len(one.app.people), registered_at=one.app.registered_at)
        for one in found.refused[:SHOWN]
    )
    return Answer(sentence=f"{sentence} Counted since {long_date(found.since)}; limits are not.", refused=rows, refused_in_all=len(found.refused))


# ---- sessions


def session_form(policy: SessionPolicy) -> SessionForm:
    seconds: dict[str, int] = {name: getattr(policy, name) for name, *_ in _LENGTHS}
    return SessionForm(lengths=tuple(_length(name, *_split(length), duration(length)) for name, length in seconds.items()))


def typed_sessions(typed: MultiDict[str, str], errors: Mapping[str, str]) -> SessionForm:
    lengths = (_length(name, typed.get(name, ""), typed.get(f"{name}_unit", "s"), "") for name, *_ in _LENGTHS)
    return SessionForm(lengths=tuple(lengths), errors=dict(errors))


def sessions_typed(policy: SessionPolicy, typed: MultiDict[str, str]) -> tuple[dict[str, str], SessionPolicy]:
    """The changes that the form asks for, and the policy with them."""
    units = {letter for letter, _, _ in UNITS}
    wanted = {}
    for name, label, *_ in _LENGTHS:
        number, unit = typed.get(name, "").strip(), typed.get(f"{name}_unit", "")
        if not (number.isascii() and number.isdigit() and len(number) <= 9) or unit not in units:
            raise InvalidInput(f"“{label}” takes a whole number and a unit.", field=name)
        wanted[name] = f"{number}{unit}"
    after: SessionPolicy = changed(policy, wanted)
    return {name: text for name, text in wanted.items() if getattr(after, name) != getattr(policy, name)}, after


def ended_by(conn: Any, account_id: str, before: SessionPolicy, after: SessionPolicy) -> tuple[int, int]:
    """Sessions that end at once with this policy, and the people who have them."""
    if after.idle_window >= before.idle_window and after.absolute_lifetime >= before.absolute_lifetime:
        return 0, 0
    return sessions_over_under(conn, account_id, idle_window=after.idle_window, absolute_lifetime=after.absolute_lifetime)


def _length(name: str, number: str, unit: str, words: str) -> Length:
    _, label, hint, existing = next(entry for entry in _LENGTHS if entry[0] == name)
    return Length(name=name, label=label, number=number, unit=unit, words=words, hint=hint, existing=existing)


def _split(seconds: int) -> tuple[str, str]:
    """`600` as `10`, `m`: in the largest unit that is whole."""
    letter, size = next(((letter, size) for letter, _, size in reversed(UNITS) if seconds and seconds % size == 0), ("s", 1))
    return str(seconds // size), letter
