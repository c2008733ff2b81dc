"""A Flask app with the templates, the filters and the routes' names, in which sample pages are rendered."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, render_template

from tests.web.pages.gallery import GALLERY
from tests.web.pages.samples import NOW
from web.pages import environment

WEB = Path(environment.__file__).parent.parent
ROUTES = {
    "sign_in.show": "/sign-in", "sign_in.sign_out": "/sign-out", "sign_in.ask_to_sign_out": "/sign-out",
    "setup.show": "/setup", "setup.admin": "/setup/admin", "setup_steps.resource": "/setup/resource", "setup_steps.app": "/setup/app",
    "settings.first_steps.show": "/settings/start", "consent.show": "/consent",
    "connected_apps.list": "/connected-apps", "connected_apps.receipt": "/connected-apps/receipts/<int:position>",
    "connected_apps.change": "/connected-apps/<consent_id>/narrow", "connected_apps.narrow": "/connected-apps/<consent_id>/narrow",
    "settings.integrations.list": "/settings/integrations", "settings.integrations.new": "/settings/integrations/new",
    "settings.integrations.detail": "/settings/integrations/<page_id>", "settings.sessions.list": "/settings/sessions",
    "settings.sessions.detail": "/settings/sessions/<grant_id>", "settings.sessions.revoke_many": "/settings/sessions/revoke",
    "settings.sessions.revoke_all": "/settings/sessions/revoke-all", "settings.overview.show": "/settings",
    "settings.replay.show": "/settings/replay", "settings.explain.show": "/settings/explain",
    "settings.integrations.registrations": "/settings/integrations/<page_id>/registrations",
    "settings.audit.list": "/settings/audit", "settings.audit.detail": "/settings/audit/<int:position>",
    "settings.keys.list": "/settings/keys", "settings.keys.rotate": "/settings/keys/<use>/rotate",
    "settings.resources.list": "/settings/resources", "settings.resources.new": "/settings/resources/new",
    "settings.resources.add": "/settings/resources/new",
    "settings.resources.detail": "/settings/resources/<resource_id>", "settings.resources.change": "/settings/resources/<resource_id>/change",
    "settings.resources.save": "/settings/resources/<resource_id>/change",
    "settings.scopes.list": "/settings/scopes", "settings.scopes.new": "/settings/scopes/new", "settings.scopes.add": "/settings/scopes/new",
    "settings.scopes.change": "/settings/scopes/<code>", "settings.scopes.save": "/settings/scopes/<code>",
    "settings.policy.show": "/settings/policy", "settings.policy.save_registration": "/settings/policy/registration",
    "settings.policy.try_registration": "/settings/policy/registration/what-if", "settings.policy.save_session": "/settings/policy/session",
    "settings.members.list": "/settings/members", "settings.members.new": "/settings/members/new",
    "settings.members.detail": "/settings/members/<member_id>", "settings.member_access.role": "/settings/members/<member_id>/role",
    "settings.member_access.permission": "/settings/members/<member_id>/permissions/<permission>",
    "settings.member_access.permit": "/settings/members/<member_id>/permissions/<permission>",
    "settings.member_access.forbid": "/settings/members/<member_id>/permissions/<permission>/forbid",
    "settings.projects.list": "/settings/projects", "settings.projects.add": "/settings/projects",
    "settings.projects.ask_rename": "/settings/projects/<project_id>/rename", "settings.projects.rename": "/settings/projects/<project_id>/rename",
    "settings.projects.remove": "/settings/projects/<project_id>/remove",
    "settings.member_data.show": "/settings/members/<member_id>/data", "settings.member_data.export": "/settings/members/<member_id>/data/export",
    "settings.member_data.hold": "/settings/members/<member_id>/data/hold", "settings.member_data.erase": "/settings/members/<member_id>/data/erase",
    "settings.holds.list": "/settings/holds", "settings.holds.place": "/settings/holds",
    "settings.holds.release": "/settings/holds/<hold_id>/release",
    "settings.ledger.show": "/settings/ledger", "settings.ledger.checkpoint": "/settings/ledger/checkpoints/<int:size>",
    "settings.ledger.verify": "/settings/ledger/verify", "ledger.checkpoint": "/ledger/checkpoint",
    "settings.access_urls.show": "/settings/access-urls", "settings.sso.show": "/settings/sso", "sign_ins.list": "/sign-ins",
}  # fmt: skip


def sample_app() -> Flask:
    app = Flask("sample", template_folder=str(WEB / "templates"), static_folder=str(WEB / "static"))
    app.config.update(TESTING=True, SECRET_KEY="test")
    environment.install(app, lambda: NOW)
    app.jinja_env.globals["csrf_token"] = lambda: "sample-token"
    for endpoint, rule in ROUTES.items():
        app.add_url_rule(rule, endpoint, lambda **_: "")

    @app.get("/gallery/<name>")
    def gallery(name: str) -> str:
        template, page, more = GALLERY[name]
        return render_template(template, page=page, platform="Jaffle Analytics", request_token="sample-token", **more)

    return app
