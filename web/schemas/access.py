"""Shapes of who may do what: integrations and their registrations, sessions, consents, members."""

from __future__ import annotations

from marshmallow import fields

from domain.roles import PERMISSIONS, ROLES
from web.schemas.common import Held, ListQuery, Person, ReadQuery, page_of, projects
from web.schemas.fields import (
    CLIENT_EXAMPLE,
    Shape,
    choice,
    listed,
    mapping,
    nested,
    number,
    query_truth,
    text,
    texts,
    time,
    truth,
    uuid,
)  # fmt: skip

REGISTRATIONS = ("manual", "dynamic", "metadata_document")
REDIRECTS = ["http://127.0.0.1:8765/callback"]


class IntegrationQuery(ListQuery):
    registration = choice(("manual", "dynamic"), "dynamic", "Only those added by hand, or only those that registered by themselves.", optional=True)
    removed = query_truth("Removed apps too.", default=False)


class Integration(Shape):
    """An app: all registrations of one fingerprint. Ids, name and metadata are those of its first registration."""

    client_stream = uuid("Stream of the first registration; names the app in this API's paths.")
    client_id = text(CLIENT_EXAMPLE, "Client id of the first registration, or the URL of its metadata document.")
    fingerprint = text("5f1c0a9c1c5e6a534c7f9f0e1d9a9a3a", "What identical registrations share.")
    name = text("Cursor", "What it calls itself.")
    redirect_uris = texts(REDIRECTS, "Where people come back to it.")
    registration = choice(REGISTRATIONS, "dynamic", "How it registered.")
    metadata = mapping({"client_name": "Cursor"}, "RFC 7591 metadata.")
    status = choice(("active", "pending", "blocked", "removed"), "active", "Whether it may be used.")
    verified = truth(False, "Whether an admin said that it is who it says it is.")
    decision = choice(("undecided", "approved", "blocked"), "approved", "What admins decided.")
    decided_at = time("When they last decided.")
    decided_by = nested(Person, "Who decided.", maybe=True)
    decision_reason = text("Security review 42", "Why.", maybe=True)
    registrations = number(3, "Identical registrations.")
    users = number(12, "People with a consent in force.")
    reason = text(None, "Why an admin added it.", maybe=True)
    created_at = time("First registration.")
    last_used_at = time("Last token or call.")
    removed_at = time("When the last registration was removed.")
    removed_reason = text(None, "Why.", maybe=True)


class NewIntegration(Shape):
    name = text("Governance script", "What people read.", shortest=1, longest=200)
    redirect_uris = texts(REDIRECTS, "Exact, but for the port of a loopback address.", shortest=1, most=30)
    scopes = texts(["account:read", "account:manage", "offline_access"], "What it may ask for.", shortest=1)
    homepage = text("https://example.com", "Its web page.", maybe=True, optional=True, longest=2048)
    reason = text("Nightly report", "Why it is needed. Stands in the audit log.", maybe=True, optional=True, longest=500)


class Registration(Shape):
    client_stream = uuid("Its stream.")
    client_id = text(CLIENT_EXAMPLE, "Its client id.")
    name = text("Cursor", "What it calls itself.")
    redirect_uris = texts(REDIRECTS, "Where people come back to it.")
    registration = choice(REGISTRATIONS, "dynamic", "How it registered.")
    needs_approval = truth(False, "Whether it waits for an admin unless the app is approved.")
    created_at = time("When it registered.", maybe=False)
    last_used_at = time("Last token or call.")
    removed_at = time("When it was removed.")
    removed_by = text("admin", "`admin`, `itself` or `unused`.", maybe=True)
    removed_reason = text("Doubled", "Why.", maybe=True)


class SessionQuery(ListQuery):
    member_id = uuid("Only this person's.", optional=True)
    client = text(CLIENT_EXAMPLE, "Only this app's: client id or stream of any of its registrations.", optional=True, longest=300)
    scope = text("jobs:run", "Only those with this scope.", optional=True, longest=100)
    project = text("prj_1f0c22aa9b3e", "Only those that reach this project.", optional=True, longest=100)
    state = choice(("active", "ended", "all"), "active", "Active ones unless asked otherwise.", optional=True)


class Use(Shape):
    """A use of a refresh token."""

    position = number(12_201, "Its event.")
    at = time("When.", maybe=False)
    address = text("203.0.113.9", "From which address; null where the person is erased.", maybe=True)
    program = text("Cursor/1.7", "By which program, as it called itself; null where it didn't, or the person is erased.", maybe=True)


class Reuse(Shape):
    """A spent refresh token that came back, told from both uses of it."""

    verdict = choice(("race", "theft", "unclear"), "race", "What it looks like.")
    words = text("Refresh token 4 was spent and came again, 3 s later.", "The whole story in sentences.")
    generation = number(4, "Which token came back.")
    current = number(6, "Which one was live.")
    seconds = fields.Float(required=True, allow_none=True, metadata={"examples": [3.0], "description": "From the first use to the second."})
    first = nested(Use, "What spent it; null where that isn't recorded.", maybe=True)
    again = nested(Use, "What brought it back.")
    in_grace = listed(Use, "Uses in between that were answered within the grace.")


class Session(Shape):
    """A grant: what one person let one app do, kept alive by refresh tokens."""

    grant_id = uuid("Its id.")
    member_id = uuid("Whose.")
    member_name = text("Maya Castillo", "Null once erased.", maybe=True)
    client_stream = uuid("The registration that holds it.")
    client_id = text(CLIENT_EXAMPLE, "Its client id.")
    client_name = text("Cursor", "Its name.", maybe=True)
    consent_id = uuid("The consent that it stands on.")
    scopes = texts(["projects:query", "offline_access"], "What was granted.")
    projects = projects("Where; null for all projects.")
    resource = text("https://auth.example.com/api/ai/v1/mcp", "For which protected resource.")
    keep_alive = truth(True, "Whether it has refresh tokens.")
    status = choice(("code", "active", "ended"), "active", "`code`: not exchanged yet.")
    created_at = time("When it began.", maybe=False)
    last_refreshed_at = time("Last rotation.")
    last_used_at = time("Last token or call.")
    idle_expires_at = time("When it ends if it isn't used.")
    absolute_expires_at = time("When it ends whatever happens.", maybe=False)
    generation = number(7, "Rotations so far.")
    ended_at = time("When it ended.")
    ended_reason = text("revoked", "Why it ended.", maybe=True)
    ended_by = text("admin", "member, admin, client or system.", maybe=True)
    reuse = nested(Reuse, "Where a spent refresh token ended it: what that looks like, a race or a theft. Else null.", maybe=True)
    created_position = number(12_201, "The event that began it.")


class RevokeMany(Shape):
    """At least one of the two; both: that person's sessions of that app."""

    member_id = uuid("All of this person.", optional=True)
    client = text(CLIENT_EXAMPLE, "All of this app: client id or stream of any of its registrations.", optional=True, shortest=1, longest=300)
    reason = text("Laptop lost", "Stands in the audit log.", maybe=True, optional=True, longest=500)


class Revoked(Shape):
    revoked = number(3, "Sessions that were ended by this call.")
    remaining = truth(False, "Whether more are left: call again.")


class ConsentQuery(ListQuery):
    member_id = uuid("Only this person's.", optional=True)
    client = text(CLIENT_EXAMPLE, "Only for this app.", optional=True, longest=300)
    in_force = query_truth("Only those in force, or only those that aren't.", default=None)


class Consent(Shape):
    """What a person allows an app, as the last decision left it."""

    consent_id = uuid("Its stream.")
    member_id = uuid("Whose.")
    member_name = text("Maya Castillo", "Null once erased.", maybe=True)
    client_stream = uuid("The registration that it was given to.")
    client_id = text(CLIENT_EXAMPLE, "Its client id.", maybe=True)
    client_name = text("Cursor", "Its name.", maybe=True)
    in_force = truth(True, "Whether it holds.")
    scopes = texts(["projects:query"], "What is allowed now.")
    denied = texts(["jobs:run"], "What was asked for and unchecked.")
    projects = projects("Where; null for all projects.")
    keep_alive = truth(True, "Whether the session may be kept alive.")
    resource = text("https://auth.example.com/api/ai/v1/mcp", "For which protected resource.")
    given_at = time("When it was last given.")
    changed_at = time("When it last changed.", maybe=False)
    changed_position = number(12_201, "The event that changed it.")
    ended_at = time("When it was withdrawn.")
    ended_reason = text(None, "Why.", maybe=True)


class Narrowing(Shape):
    scopes = texts(["projects:query"], "What to keep; `offline_access` stays of itself.", optional=True, shortest=1)
    projects = projects("Where to keep it; null for all projects, as far as it holds there.", optional=True)


class Member(Shape):
    member_id = uuid("Its stream.")
    name = text("Maya Castillo", "Null once erased.", maybe=True)
    email = text("analyst@jaffle.example", "Null once erased.", maybe=True)
    role = choice(tuple(ROLES), "Analyst", "A set of permissions.")
    active = truth(True, "Whether they may act.")
    erased = truth(False, "Whether their data was erased.")
    permissions = fields.Dict(keys=fields.String(), values=fields.Nested(Held), required=True, metadata={"description": "What they hold, and where."})
    added_at = time("When they were added.")
    last_sign_in_at = time("When they last signed in.")
    deactivated_at = time("When they were deactivated.")
    deactivated_reason = text(None, "Why.", maybe=True)
    signs_in_with = texts(["password"], "`password`, `sso`, both or neither.")
    directory = truth(False, "Whether a directory (SCIM) looks after them.")


class MemberQuery(ListQuery):
    text = text("maya", "Only those whose name or address holds this.", optional=True, longest=200)
    role = choice(tuple(ROLES), "Analyst", "Only those with this role.", optional=True)
    active = query_truth("Only those who may act, or only those who may not.", default=None)


class NewMember(Shape):
    email = text("maya@jaffle.example", "How they sign in.", shortest=3, longest=320)
    name = text("Maya Castillo", "What others read.", shortest=1, longest=200)
    role = choice(tuple(ROLES), "Analyst", "A set of permissions.")
    projects = projects("Where the role holds; null or left out for all projects.", optional=True)
    password = text("correct horse battery staple", "Left out: they can't sign in by password yet.", maybe=True, optional=True, longest=1000)


class RoleChange(Shape):
    role = choice(tuple(ROLES), "Developer", "The new role; it takes the place of the old one.")
    projects = projects("Where it holds; null or left out for all projects.", optional=True)


class Permit(Shape):
    projects = projects("Where it holds; null or left out for all projects.", optional=True)


class ForbidQuery(Shape):
    project = fields.List(
        text("prj_1f0c22aa9b3e", "", optional=True, longest=100),
        metadata={"description": "Only in these projects, by id or name; may repeat. Left out: everywhere.", "examples": [["prj_1f0c22aa9b3e"]]},
    )


class PreviewQuery(ReadQuery):
    """What would be done: `role` (with `role`), `forbid` (with `permission`) or `deactivate`."""

    deed = choice(("role", "forbid", "deactivate"), "forbid", "What would be done.")
    role = choice(tuple(ROLES), "Analyst", "With `role`: the new role.", optional=True)
    permission = choice(PERMISSIONS, "jobs.run", "With `forbid`: which permission.", optional=True)
    project = fields.List(
        text("prj_1f0c22aa9b3e", "", optional=True, longest=100),
        metadata={"description": "Only in these projects, by id or name; may repeat. Left out: everywhere.", "examples": [["prj_1f0c22aa9b3e"]]},
    )


class Loss(Shape):
    """What one live session would lose."""

    grant_id = uuid("The session.")
    member_id = uuid("Whose.")
    client_id = text(CLIENT_EXAMPLE, "The app's client id.")
    client_name = text("Cursor", "Its name.")
    scopes = texts(["jobs:run"], "Scopes that would be gone, or hold in fewer projects.")
    left = texts(["projects:query"], "Scopes that would be left.")


class Preview(Shape):
    """What a change would take from live sessions, judged as the change itself would be; nothing is changed."""

    judged = number(3, "Live sessions that were looked at.")
    more = truth(False, "Whether there are more than the newest 100 that were looked at.")
    ending = listed(Loss, "Sessions that would end.")
    narrowing = listed(Loss, "Sessions that would keep less.")


class EndedSignIns(Shape):
    ended = number(2, "Browser sessions that were ended by this call.")


class NewPassword(Shape):
    password = text("correct horse battery staple", "The new password. Their browser sessions end.", shortest=1, longest=1000)


IntegrationPage = page_of(Integration, "IntegrationPage")
RegistrationPage = page_of(Registration, "RegistrationPage")
SessionPage = page_of(Session, "SessionPage")
ConsentPage = page_of(Consent, "ConsentPage")
MemberPage = page_of(Member, "MemberPage")
