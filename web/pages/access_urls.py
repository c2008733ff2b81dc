"""Access URLs: every address that an app needs to connect, to copy."""

from __future__ import annotations

from flask import Blueprint

from web.pages import context
from web.pages.endpoints import endpoints
from web.pages.frame import settings_page
from web.pages.session import for_readers

blueprint = Blueprint("access_urls", __name__, url_prefix="/access-urls")


@blueprint.get("")
@for_readers
def show() -> str:
    with context.views() as conn:
        here = "settings.access_urls.show"
        account = context.account()
        urls = endpoints(account, context.services())
        registration = account.registration_policy.registration if account.has_apps else "plan"
        return settings_page(
            "settings/access_urls.html", conn, "Access URLs", here=here, endpoints=urls, registration=registration, plan=account.plan
        )
