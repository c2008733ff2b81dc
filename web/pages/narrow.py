"""Taking a part of a consent back: fewer permissions or fewer projects, never more."""

from __future__ import annotations

from collections.abc import Mapping

from application import end_consent
from application.ports import Recorded
from application.services import Origin, Services
from domain.account import Account
from domain.errors import InvalidInput
from domain.extent import Projects
from domain.scopes import OFFLINE_ACCESS
from projections.consents.queries import ConsentRow
from web.pages.account_models import NarrowView, ProjectChoice, ScopeChoice
from web.pages.connected_views import Held
from web.pages.consent_view import Choices
from web.pages.integration_views import mark
from web.pages.scope_words import in_order, words_of


def narrow_view(
    one: Held, consent: ConsentRow, account: Account, *, chosen: Choices | None = None, errors: Mapping[str, str] | None = None
) -> NarrowView:
    """The page; at first everything that the app has is ticked."""
    everywhere = consent.projects is None
    projects = account.projects if everywhere else {id_: account.projects[id_] for id_ in consent.projects or () if id_ in account.projects}
    return NarrowView(
        consent_id=consent.consent_id,
        app=mark(one.app),
        scopes=tuple(_choice(code, account, chosen) for code in in_order(consent.approved) if code != OFFLINE_ACCESS),
        projects=tuple(
            ProjectChoice(id=id_, name=name, ticked=id_ in chosen.project_ids if chosen else not everywhere) for id_, name in projects.items()
        ),
        may_keep_all=everywhere,
        all_projects=everywhere and (chosen is None or chosen.all_projects),
        errors=dict(errors or {}),
    )


def _choice(code: str, account: Account, chosen: Choices | None) -> ScopeChoice:
    words = words_of(code, account.scopes)
    ticked = chosen is None or code in chosen.scopes
    return ScopeChoice(scope=code, title=words.title, description=words.description, acts=words.acts, ticked=ticked)


def narrow(services: Services, account: Account, consent: ConsentRow, chosen: Choices, *, actor_id: str, origin: Origin) -> Recorded | None:
    """Keep what is chosen of this consent; `InvalidInput` names the group where nothing is left."""
    scopes = [code for code in consent.approved if code in chosen.scopes]
    if not scopes:
        raise InvalidInput("Choose at least one permission to keep, or revoke the app.", field="scope")
    kept = [*scopes, *(code for code in consent.approved if code == OFFLINE_ACCESS)]
    projects: Projects = tuple(id_ for id_ in account.projects if id_ in chosen.project_ids and (consent.projects is None or id_ in consent.projects))
    if consent.projects is None and chosen.all_projects:
        projects = "*"
    if not projects and consent.projects != ():
        raise InvalidInput("Choose at least one project to keep, or revoke the app.", field="project_id")
    return end_consent.narrow(services, str(account.id), consent.consent_id, scopes=kept, projects=projects, actor_id=actor_id, origin=origin)
