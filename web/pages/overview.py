"""Overview: what needs attention, the numbers, the last thirty days as charts, and what was changed last."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint

from projections.audit_log.queries import entries
from projections.integrations.queries import find_integrations
from projections.sessions.queries import session_counts
from projections.usage.queries import Day, account_days
from web.pages import context
from web.pages.audit_sentences import Known
from web.pages.charts import bar_chart
from web.pages.endpoints import mcp_hint
from web.pages.formatting import number
from web.pages.frame import settings_page
from web.pages.history import timeline
from web.pages.models import Stat
from web.pages.overview_attention import attention
from web.pages.overview_models import OverviewView
from web.pages.people import names
from web.pages.session import for_readers

blueprint = Blueprint("overview", __name__)

HERE: Final = "settings.overview.show"
DAYS: Final = 30
_LAST: Final = 8
_CHANGES: Final = (
    "oauth_client.approved", "oauth_client.blocked", "oauth_client.unblocked", "oauth_client.verified", "policy.changed", "plan.changed",
    "scopes.published", "auth_provider.changed", "resource.registered", "resource.rotated", "resource.removed", "project.added",
    "project.renamed", "project.removed", "user.added", "user.removed", "user.reactivated", "user.role_changed", "permission.added",
    "permission.removed",
)  # fmt: skip


@blueprint.get("")
@for_readers
def show() -> str:
    with context.views() as conn:
        return settings_page("settings/overview.html", conn, "Overview", here=HERE, view=_view(conn))


def _view(conn: Any) -> OverviewView:
    account_id, services = context.account_id(), context.services()
    days = account_days(conn, account_id, services.clock().date(), DAYS)
    apps = find_integrations(conn, account_id, limit=1).total
    changes = entries(conn, account_id, event_type=_CHANGES, limit=_LAST)
    return OverviewView(
        attention=attention(conn, days),
        stats=_stats(conn, account_id, apps, days),
        charts=tuple(
            bar_chart(words, [day.day for day in days], [int(getattr(day, name)) for day in days])
            for name, words in (("registrations", "Registrations"), ("refreshes", "Refreshes"), ("actions", "Actions"))
        ),
        days=tuple(days),
        history=timeline(changes, Known(names(conn, account_id, changes), context.account().projects)),
        mcp_url="" if apps else services.mcp_url,
        mcp_hint=mcp_hint(context.account(), services),
    )


def _stats(conn: Any, account_id: str, apps: int, days: list[Day]) -> tuple[Stat, ...]:
    live = session_counts(conn, account_id)
    week = days[-7:]
    return (
        Stat(label="Apps", words=number(apps)),
        Stat(label="Active sessions", words=number(live.active)),
        Stat(label="People with a session", words=number(live.people)),
        Stat(label="Consents, 7 days", words=number(sum(day.consents for day in week))),
        Stat(label="Actions, 7 days", words=number(sum(day.actions for day in week))),
    )
