"""Shapes of the account: itself, projects, scopes, policies, resources, signing keys, projections, and who calls."""

from __future__ import annotations

from typing import Any, get_args

from marshmallow import fields, validate

from domain.account import PLANS
from domain.policies import RegistrationMode
from web.schemas.access import Preview
from web.schemas.common import Held, page_of
from web.schemas.fields import (
    CLIENT_EXAMPLE,
    PROJECT_EXAMPLE,
    Shape,
    choice,
    mapping,
    nested,
    number,
    pattern,
    text,
    texts,
    time,
    truth,
    uuid,
)  # fmt: skip

YEARS = 10 * 365 * 86400
MODES = get_args(RegistrationMode)
SCOPE_EXAMPLE = ["account:read", "projects:query"]


class Account(Shape):
    account_id = uuid("Its stream.")
    slug = text("jaffle", "Its short name.")
    name = text("Jaffle Analytics", "Its name.")
    plan = choice(PLANS, "enterprise", "Its plan.")
    has_apps = truth(True, "Whether the plan includes app integrations.")
    issuer = text("https://auth.example.com", "The OAuth issuer.")
    mcp_url = text("https://auth.example.com/api/ai/v1/mcp", "The MCP endpoint: its resource identifier.")
    api_url = text("https://auth.example.com/api/v1", "This API: its resource identifier.")


class PlanChange(Shape):
    plan = choice(PLANS, "enterprise", "The new plan. One without app integrations refuses every client from the next request on, this one too.")


class Project(Shape):
    project_id = text(PROJECT_EXAMPLE, "Its id.")
    name = text("Sales", "Its name.")


class NewProject(Shape):
    name = text("Sales", "Unlike any other project's.", shortest=1, longest=100)


class ProjectPreview(Preview):
    """What removing a project would take; nothing is changed."""

    members = number(12, "Active people who hold a permission in it.")
    apps = number(3, "Apps that somebody allows there.")


class Scope(Shape):
    code = text("projects:query", "What stands in tokens.")
    permission = text("metrics.query", "What a person must hold; null where nothing is needed.", maybe=True)
    per_project = truth(True, "Whether it holds in projects.")
    title = text("Query metrics", "What people read.")
    description = text("Run metric queries and see their results", "What people read, longer.")
    acts = truth(False, "Whether it changes something.")
    dynamic = truth(True, "Whether an app that registers by itself may ask for it.")


class RegistrationPolicy(Shape):
    registration = choice(MODES, "open", "Dynamic registration (RFC 7591).")
    metadata_documents = choice(MODES, "open", "Client ID metadata documents.")
    allowed_redirect_hosts = texts(["app.example.com"], "With `allow-list`: exact hosts, or `scheme:` for private-use schemes.", most=10_000)
    allowed_software_ids = texts(["4NRB1-0XZABZI9E6-5SM3R"], "With `allow-list`.", most=10_000)
    registrations_per_hour = number(1000, "For the account.")
    registrations_total = number(100_000, "Registrations that were not removed.")
    dynamic_scopes = texts([], "What dynamic apps may ask for; none named: what the catalogue marks so.")
    reap_unused_after_days = number(30, "When a registration that nobody used is removed.")


HOST_PATTERN = r"^([a-z0-9_]([a-z0-9._-]{0,252}[a-z0-9_])?|[a-z][a-z0-9+.-]{0,60}:)$"


def _words(example: str, description: str, allowed: str = r"^[^\s,\u0000-\u001f\u007f]{1,255}$") -> fields.List[Any]:
    item = pattern(allowed, example, "", optional=True)
    return fields.List(item, validate=validate.Length(max=1000), metadata={"examples": [[example]], "description": description})


class RegistrationChange(Shape):
    registration = choice(MODES, "approval", "Dynamic registration.", optional=True)
    metadata_documents = choice(MODES, "open", "Client ID metadata documents.", optional=True)
    allowed_redirect_hosts = _words("app.example.com", "Replaces the list: hosts alone, or schemes with their colon.", HOST_PATTERN)
    allowed_software_ids = _words("4NRB1-0XZABZI9E6-5SM3R", "Replaces the list.")
    registrations_per_hour = number(1000, "For the account.", optional=True, least=0, most=1_000_000_000)
    registrations_total = number(100_000, "Registrations that were not removed.", optional=True, least=0, most=1_000_000_000)
    dynamic_scopes = _words("projects:query", "Replaces the list; scopes of the catalogue.")
    reap_unused_after_days = number(30, "Days.", optional=True, least=0, most=36_500)


class SessionPolicy(Shape):
    access_token_ttl = number(600, "Seconds that an access token lives.")
    idle_window = number(604_800, "Seconds after which an unused session ends.")
    absolute_lifetime = number(7_776_000, "Seconds after which every session ends.")
    refresh_grace = number(30, "Seconds in which a spent refresh token still answers.")
    code_ttl = number(60, "Seconds that an authorization code lives.")
    warnings = texts([], "What is unwise about it.")


class SessionChange(Shape):
    access_token_ttl = number(600, "Seconds.", optional=True, least=1, most=YEARS)
    idle_window = number(604_800, "Seconds.", optional=True, least=1, most=YEARS)
    absolute_lifetime = number(7_776_000, "Seconds.", optional=True, least=1, most=YEARS)
    refresh_grace = number(30, "Seconds.", optional=True, least=0, most=YEARS)
    code_ttl = number(60, "Seconds.", optional=True, least=1, most=YEARS)


class Policies(Shape):
    registration = nested(RegistrationPolicy, "Who may register apps.")
    session = nested(SessionPolicy, "How long access lives.")


class Resource(Shape):
    resource_id = text("res_0a9c1c5e6a534c7f9f0e1d9a", "With it the resource calls introspection.")
    identifier = text("https://data.example.com", "What clients name as `resource`, and what stands in `aud`.")
    scopes = texts(SCOPE_EXAMPLE, "Scopes that mean something to it.")
    upstream = text("http://10.0.0.5:9000/mcp", "The server that the gateway puts behind it.", maybe=True)
    operations = mapping({"tools": {"query_metrics": {"scope": "projects:query"}}}, "Which scope each operation needs.")


class ResourceWithSecret(Resource):
    secret = text("vX3m...", "Shown this once.")


class NewResource(Shape):
    identifier = text("https://data.example.com", "An absolute http or https URL.", shortest=1, longest=2048)
    scopes = texts(SCOPE_EXAMPLE, "Scopes of the catalogue.", shortest=1)
    upstream = text("http://10.0.0.5:9000/mcp", "An http(s) URL, or `unix:SOCKET`.", maybe=True, optional=True, longest=2048)
    operations = mapping({"tools": {"query_metrics": {"scope": "projects:query", "project_argument": "project"}}}, "For the gateway.", optional=True)


class SigningKey(Shape):
    kid = text("0a9c1c5e6a534c7f9f0e1d9a9a3a7b21", "Key id.")
    use = choice(("token", "assertion"), "token", "What it signs.")
    alg = text("ES256", "Algorithm.")
    status = choice(("published", "active", "retired"), "active", "Published keys sign once every worker has read them.")
    created_at = time("When it was made.", maybe=False)
    activate_at = time("From when on it signs.")
    retire_at = time("When it was retired.")
    stage = choice(("waiting", "signing", "checking", "retired"), "signing", "Waits for its time, signs, only checks what it signed, or is gone.")
    next_at = time("Until when, where that is known.")


class KeyRotation(Shape):
    use = choice(("token", "assertion"), "token", "Which key to replace.", optional=True)


class Projection(Shape):
    name = text("sessions", "Which view.")
    version = number(1, "Its version.")
    wanted = number(1, "The version that this program builds.")
    state = choice(("live", "building", "stopped", "missing"), "live", "Whether it is kept.")
    position = number(12_483, "What it holds.")
    head = number(12_483, "The newest position.")
    error = text(None, "Why it stopped.", maybe=True)
    updated_at = time("When it was last written.")
    building = number(12_000, "How far a build beside it has come.", maybe=True)


class Me(Shape):
    """Who calls, through what, and what that may do now."""

    member_id = uuid("The person.")
    name = text("Priya Raman", "Their name.", maybe=True)
    email = text("admin@jaffle.example", "Their address.", maybe=True)
    role = text("Account Admin", "Their role.")
    permissions = fields.Dict(keys=fields.String(), values=fields.Nested(Held), required=True, metadata={"description": "What they hold."})
    account_id = uuid("Their account.")
    client_id = text(CLIENT_EXAMPLE, "The app that they came through.")
    client_name = text("Governance script", "Its name.")
    grant_id = uuid("The session.")
    scopes = texts(["account:read", "account:manage"], "What the token may do now.")


ProjectPage = page_of(Project, "ProjectPage")
ScopePage = page_of(Scope, "ScopePage")
ResourcePage = page_of(Resource, "ResourcePage")
SigningKeyPage = page_of(SigningKey, "SigningKeyPage")
ProjectionPage = page_of(Projection, "ProjectionPage")
