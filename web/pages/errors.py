"""Error pages: what failed, whether anything changed, what to do, the request id; and the page of a request that must not redirect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from flask import Flask, current_app, make_response, render_template, request, url_for
from werkzeug.exceptions import BadHost, HTTPException
from werkzeug.exceptions import NotFound as NotFoundHere
from werkzeug.wrappers import Response

from application.ports import Busy
from domain.errors import DomainError, NotFound
from web.api import problems
from web.pages import context, frame, headers
from web.pages.account_models import ErrorView
from web.pages.csrf import StaleForm
from web.pages.models import Page
from web.pages.people import admins
from web.pages.session import NotAllowedHere, current_member

_MACHINES: Final = ("/oauth/", "/api/", "/scim/", "/.well-known/", "/healthz", "/readyz", "/metrics", "/ledger/")
_AUTHORIZE: Final = "/oauth/authorize"
_DISCOVERY: Final = "/.well-known/"
_ELSEWHERE: Final = {
    "/metrics": "Metrics are served on a port of their own, that of GRANTBOOK_METRICS_PORT, and never on this one.",
    "/api/ai/v1/mcp": "The MCP gateway is served on a port of its own, that of GRANTBOOK_GATEWAY_PORT, and never on this one.",
}
_UNCHANGED: Final = "Nothing was changed."
_SETTINGS: Final = "/settings/"
_HEADINGS: Final = {
    400: "This request can't be read.",
    404: "There is nothing here.",
    405: "This page can't be used that way.",
    413: "This form is too large.",
    429: "That was too often.",
    503: "The server is busy.",
}
_ADVICE: Final = {
    400: "Go back and send the form again.",
    404: "The address may be old, or the thing was removed.",
    405: "Open the page by its link.",
    413: "Send less at once.",
    429: "Wait a minute, then try again.",
    503: "Try again in a moment.",
}


def is_page(path: str) -> bool:
    """Whether a person looks at this path, and not a program."""
    return path == _AUTHORIZE or not path.startswith(_MACHINES)


def error_page(
    status: int, heading: str, *, changed: str = _UNCHANGED, advice: str = "", retry_after: int | None = None, way_back: bool = True
) -> Response:
    """The page, in the shell for those who see the settings."""
    view = ErrorView(
        status=status,
        heading=heading,
        changed=changed if request.method != "GET" else "",
        advice=advice,
        request_id=context.request_id(),
        back_url="" if not way_back else request.path if status == 400 and request.method == "POST" else "/",
        back_words="Open the page again" if status == 400 and request.method == "POST" else "Go to the start page",
    )
    response = make_response(_rendered(view), status)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return headers.apply(response)


def _rendered(view: ErrorView) -> str:
    try:
        person, title = current_member(), view.heading.rstrip(".")
        with context.views() as conn:
            if person and person.sees_settings and request.path.startswith(_SETTINGS):
                return frame.settings_page("errors/shell.html", conn, title, here="", error=True, view=view)
            return frame.account_page("errors/center.html", conn, title, error=True, view=view)
    except Exception:  # noqa: BLE001  # the page about an error must not need what has failed
        page = Page(titles=(view.heading.rstrip("."),), error=True)
        return render_template("errors/center.html", page=page, platform="Grantbook", view=view)


def _not_allowed(error: NotAllowedHere) -> Response:
    person = current_member()
    with context.views() as conn:
        found = admins(conn, person.account_id) if person else ()
    advice = f"Ask an admin if you need it: {', '.join(found)}." if found else ""
    return error_page(403, f"Only {error.needs} can see this.", advice=advice)


def _stale(_: StaleForm) -> Response:
    return error_page(400, "This page is out of date, nothing was changed.", changed="", advice="Open it again and send the form once more.")


def _no_account(_: context.NoAccount) -> Response:
    advice = "Open the one-time set-up link that the server printed when it started, or run “grantbook init”."
    return error_page(404, "Nothing is set up here yet.", changed="", advice=advice, way_back=False)


def _domain(error: DomainError) -> Response:
    return error_page(404 if isinstance(error, NotFound) else 400, error.message)


def _busy(error: Busy) -> Response:
    return error_page(503, _HEADINGS[503], advice=_ADVICE[503], retry_after=error.retry_after)


def http_error(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < 400 or isinstance(error, BadHost):
        return error  # without a host there are no URLs, so there is no page of ours
    if not is_page(request.path):
        return _for_programs(error)
    heading = _HEADINGS.get(error.code, "This did not work.")
    response = error_page(error.code, heading, advice=_ADVICE.get(error.code, ""))
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _for_programs(error: HTTPException) -> Response:
    """RFC 9457, readable for scripts of other sites where discovery is."""
    elsewhere = _ELSEWHERE.get(request.path) if isinstance(error, NotFoundHere) else None
    response = problems.answer(problems.Problem("not-found", elsewhere) if elsewhere else error)
    if request.path.startswith(_DISCOVERY):
        response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def _unexpected(error: Exception) -> Response:
    current_app.logger.error("request failed", extra={"request_id": context.request_id()}, exc_info=error)
    words = "Something failed on our side."
    return error_page(500, words, changed="It is not certain whether anything was changed.", advice="Look at the page again before you repeat it.")


def install(app: Flask) -> None:
    """Handlers for everything that a page may raise; programs' paths keep the handlers of their own blueprints."""
    handlers: dict[type[Exception], Callable[..., Any]] = {
        NotAllowedHere: _not_allowed,
        StaleForm: _stale,
        context.NoAccount: _no_account,
        DomainError: _domain,
        Busy: _busy,
        HTTPException: http_error,
    }
    for kind, handler in handlers.items():
        app.register_error_handler(kind, handler)
    app.register_error_handler(500, _unexpected_500)


def _unexpected_500(error: HTTPException) -> Response | HTTPException:
    if not is_page(request.path):
        return problems.answer(error)
    original = getattr(error, "original_exception", None) or error
    return _unexpected(original)


def start_page_url() -> str:
    """Where a signed-in person starts."""
    person = current_member()
    return url_for("settings.overview.show") if person and person.sees_settings else url_for("connected_apps.list")
