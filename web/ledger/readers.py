"""Who may read the log's entries: they are the data of every account in the store, sealed as far as it is personal."""

from __future__ import annotations

from flask import request

from domain.errors import DomainError
from infrastructure.bootstrap import App
from web.api import authentication
from web.api.authentication import READ, Needs
from web.api.guard import ALL
from web.api.problems import Problem
from web.pages.session import current_member


def may_read_entries(app: App) -> bool:
    """Whether the caller reads the audit log of the only account there is, by an access token or a browser session."""
    if len(app.store.tables().accounts()) != 1:
        return False
    if "Authorization" not in request.headers:
        person = current_member()
        return person is not None and person.sees_settings
    needs = Needs(READ, ALL)
    try:
        authentication.permit(authentication.identify(needs), needs.permissions)
    except (Problem, DomainError):
        return False
    return True
