"""First-run set-up by the one-time link: opens the account and makes the first admin."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from application import open_account
from application.password_rules import MINIMUM
from domain.errors import DomainError
from web.pages import context, csrf
from web.pages.account_models import SetupView
from web.pages.models import Page

blueprint = Blueprint("setup", __name__)
_PAGE: Final = Page(titles=("Set up",))
