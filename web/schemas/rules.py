"""Shapes of changes to the rules: scopes, resources, and what another policy would have meant."""

from __future__ import annotations

from domain.roles import PERMISSIONS
from web.schemas.account import MODES, SCOPE_EXAMPLE, YEARS
from web.schemas.common import ReadQuery
from web.schemas.fields import CLIENT_EXAMPLE, Shape, choice, listed, mapping, number, pattern, query_number, text, texts, time, truth, uuid

CODE_PATTERN = r"^[a-z0-9][a-z0-9:._-]{0,59}$"


class NewScope(Shape):
    code = pattern(CODE_PATTERN, "reports:read", "What stands in tokens; it never changes.")
    permission = choice(PERMISSIONS, "metrics.query", "What a person must hold to give it, and where.")
    title = text("See reports", "What people read.", shortest=1, longest=60)
    description = text("Reports and their numbers", "What people read, longer.", shortest=1, longest=200)
    acts = truth(False, "Whether it changes something.", optional=True)
    dynamic = truth(True, "Whether an app that registers by itself may ask for it.", optional=True)


class ScopeChange(Shape):
    permission = choice(PERMISSIONS, "metrics.query", "With another one, sessions that began before lose the scope.", optional=True)
    title = text("See reports", "What people read.", optional=True, shortest=1, longest=60)
    description = text("Reports and their numbers", "What people read, longer.", optional=True, shortest=1, longest=200)
    acts = truth(False, "Whether it changes something.", optional=True)
    dynamic = truth(True, "Whether an app that registers by itself may ask for it.", optional=True)


class ResourceChange(Shape):
    scopes = texts(SCOPE_EXAMPLE, "Replaces the list. Sessions lose what is left out, for good.", optional=True, shortest=1)
    upstream = text("http://10.0.0.5:9000/mcp", "An http(s) URL, or `unix:SOCKET`; null for none.", maybe=True, optional=True, longest=2048)
    operations = mapping({"tools": {"query_metrics": {"scope": "projects:query"}}}, "Replaces them all.", optional=True)


class RegistrationWhatIfQuery(ReadQuery):
    """Settings of the registration policy as the command line writes them; what is left out stays as it is."""

    registration = choice(MODES, "allow-list", "Dynamic registration.", optional=True)
    allowed_redirect_hosts = text("claude.ai,cursor:", "Hosts, or schemes with their colon, separated by commas.", optional=True, longest=4000)
    allowed_software_ids = text("4NRB1-0XZABZI9E6-5SM3R", "Separated by commas.", optional=True, longest=4000)
    dynamic_scopes = text("account:read,projects:query", "Separated by commas.", optional=True, longest=4000)


class RefusedApp(Shape):
    """An app that the policy would have refused."""

    client_stream = uuid("Its newest registration; names the app in this API's paths.")
    client_id = text(CLIENT_EXAMPLE, "The client id of that registration.")
    name = text("Cursor", "What it calls itself.")
    why = text("Only listed apps can register here, and cb.example is not listed.", "What it would have been told.")
    people = number(2, "People whose consent to it is in force.")
    registered_at = time("When it last registered.", maybe=False)


class RegistrationWhatIf(Shape):
    since = time("From when on it was looked.", maybe=False)
    apps = number(41, "Apps that registered since and are not blocked; at most 5,000, the newest.")
    refused_apps = number(3, "How many of them would have been refused.")
    refused_people = number(2, "People who use one of these.")
    waiting_apps = number(0, "How many would have waited for an admin.")
    refused = listed(RefusedApp, "The most used ones, at most 200.")


class SessionWhatIfQuery(ReadQuery):
    """Lifetimes in seconds; what is left out stays as it is."""

    idle_window = query_number(259_200, "Seconds.", least=1, most=YEARS, default=None)
    absolute_lifetime = query_number(2_592_000, "Seconds.", least=1, most=YEARS, default=None)


class SessionWhatIf(Shape):
    sessions = number(31, "Sessions that would end at once.")
    people = number(23, "People who have them.")
