"""GET and POST /oauth/authorize: the request is validated and kept, then the browser goes on to the consent page."""

from __future__ import annotations

from urllib.parse import urlencode

from werkzeug.wrappers import Response

from application.approve_consent import answer_url
from application.begin_authorization import AuthorizationPageError, AuthorizationRedirectError, begin
from application.services import Origin, Services
from web.oauth.errors import as_description
from web.oauth.forms import Malformed, pairs, repeated
from web.pages.cannot_connect import cannot_connect
from web.pages.session import current_member, local_path

_GUARDS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_HOUR = "3600"


def authorization_response(services: Services, account_id: str, raw: bytes, origin: Origin) -> Response:
    """303 to the consent page, 303 with an error to the client, or a page where neither can be trusted (RFC 6749 4.1.2.1)."""
    try:
        asked = pairs(raw)
        found = begin(services, account_id, repeated(asked), origin)
    except Malformed as error:
        return _page(AuthorizationPageError("bad_request", error.message))
    if isinstance(found, AuthorizationPageError):
        return _page(found)
    if isinstance(found, AuthorizationRedirectError):
        return _told(services, found) if current_member() else _after_sign_in(asked, found)
    return see_other(f"/consent?{urlencode({'request': found.request_id})}")


def _told(services: Services, found: AuthorizationRedirectError) -> Response:
    told = {"error": found.error, "error_description": as_description(found.description)}
    return see_other(answer_url(found.redirect_uri, services.issuer, found.state, **told))


def _after_sign_in(asked: list[tuple[str, str]], found: AuthorizationRedirectError) -> Response:
    """Anybody can register a redirect URI: nobody is sent there who has not signed in (RFC 9700 4.11.2)."""
    again = local_path(f"/oauth/authorize?{urlencode(asked)}")
    return see_other(f"/sign-in?{urlencode({'next': again})}") if again else _page(AuthorizationPageError("bad_request", found.description))


def see_other(url: str) -> Response:
    """A redirect that is followed by GET (RFC 9700 4.12), never framed, stored or referred to."""
    return Response(status=303, headers={"Location": url, **_GUARDS})


def _page(found: AuthorizationPageError) -> Response:
    client = found.client
    metadata = client.metadata if client else {}
    page = cannot_connect(
        found.kind,
        error_words=found.message if found.kind == "bad_request" else "",
        client_id=found.client_id,
        app_name=client.name if client else "",
        redirect_uri=found.sent_redirect_uri,
        registered=client.redirect_uris if client else (),
        software_id=str(metadata.get("software_id", "")),
    )
    if found.kind == "too_many":
        page.headers["Retry-After"] = _HOUR
    return page
