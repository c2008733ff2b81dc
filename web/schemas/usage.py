"""Shapes of how apps are used: by day, by scope, and who asked for one."""

from __future__ import annotations

from marshmallow import fields

from web.schemas.common import ReadQuery
from web.schemas.fields import CLIENT_EXAMPLE, Shape, listed, number, query_number, text, texts, time, uuid


class DaysQuery(ReadQuery):
    days = query_number(30, "How many days, today among them (UTC).", least=1, most=365, default=30)


class UsageDay(Shape):
    """What happened on one day."""

    day = fields.Date(required=True, metadata={"examples": ["2026-11-20"], "description": "The day, UTC."})
    registrations = number(3, "Clients that registered.")
    consents = number(5, "Consents given.")
    tokens = number(412, "Access tokens issued: at exchanges, refreshes and answers within the grace.")
    refreshes = number(400, "Rotations.")
    races = number(2, "Refresh tokens that came twice within the grace.")
    reuses = number(0, "Spent refresh tokens that came back; each ended its session.")
    actions = number(1204, "Calls through an app at protected resources.")


class AccountDay(UsageDay):
    sign_ins = number(41, "Sign-ins that succeeded.")
    failed_sign_ins = number(1, "Sign-ins that failed.")


class AccountUsage(Shape):
    data = listed(AccountDay, "Oldest first, quiet days among them.")


class ScopeUse(Shape):
    scope = text("jobs:run", "The scope.")
    granted = number(8, "People who gave it to the app and have not taken it back.")
    used = number(0, "Those of them for whom the app used it in these days.")
    last_used_at = time("When it was last used at all.")


class AppUsage(Shape):
    people = number(23, "People whose consent to the app is in force.")
    days = listed(UsageDay, "Oldest first, quiet days among them.")
    scopes = listed(ScopeUse, "The scope that most people gave first.")


class UnusedScope(Shape):
    """A scope that changes things, given to an app and not used since."""

    client_stream = uuid("Names the app in this API's paths.")
    client_id = text(CLIENT_EXAMPLE, "The client id of its first registration.")
    name = text("Cursor", "What it calls itself.")
    scope = text("jobs:run", "The scope.")
    people = number(8, "People who gave it that long ago and for whom it was not used since.")
    last_used_at = time("When it was last used for any of them.")


class UnusedScopes(Shape):
    data = listed(UnusedScope, "The one that most people gave first.")


class ApprovalRequest(Shape):
    """The last time that a person asked the admins for an app."""

    member_id = uuid("Who asked.")
    member_name = text("Lena Fischer", "As it is now; null once erased.", maybe=True)
    requested = texts(["projects:query"], "The scopes that the app asked this person for.")
    reason = text("The weekly numbers", "What the person typed.", maybe=True)
    asked_at = time("When.", maybe=False)
    position = number(1080, "The event.")


class ApprovalRequests(Shape):
    data = listed(ApprovalRequest, "Newest first, 100 at most.")
