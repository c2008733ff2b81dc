"""The guards of the API's views: who may call, what a read waits for and tells, what a write needs, records and answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from flask import current_app, g, request
from werkzeug.wrappers import Response

from application import record_action
from application.ports import Busy
from domain.activity import Outcome
from infrastructure.database import ConnectionLost
from web.api import authentication, context, idempotency, positions, problems
from web.api.authentication import MANAGE, READ, RESOURCE, Needs
from web.api.problems import Problem

View = Callable[..., Any]
OWN: Final = ("account.read",)
ALL: Final = ("account.read", "audit.read")
"""As the settings' pages: an Account Viewer's permissions."""
_POSITION: Final = re.compile(positions.PATTERN.rstrip("$") + r"\Z")


def reads(permissions: tuple[str, ...] = ALL) -> Callable[[View], View]:
    """Guard of a GET: scope `account:read` and these permissions."""
    needs = Needs(READ, permissions)

    def decorate(view: View) -> View:
        @wraps(view)
        def guard(*args: Any, **kwargs: Any) -> Response:
            authentication.permit(authentication.identify(needs), needs.permissions)
            with context.views() as conn:
                wanted = request.args.get("min_position")
                if wanted is not None:
                    if not _POSITION.match(wanted):
                        raise Problem("invalid-input", errors=[{"parameter": "min_position", "detail": "This is no position."}])
                    positions.wait_for(context.services(), conn, context.account_id(), wanted)
                told = positions.headers(conn)
                response: Response = view(*args, **kwargs)
            response.headers.update(told)
            return _finished(response).make_conditional(request)

        return _marked(guard, needs)

    return decorate


def manages(operation: str, *, conditional: bool = False) -> Callable[[View], View]:
    """Guard of a change: scope `account:manage` and permission `account.manage`. It is recorded as `action.performed` under this name."""
    needs = Needs(MANAGE, ("account.manage",), operation, conditional)

    def decorate(view: View) -> View:
        @wraps(view)
        def guard(*args: Any, **kwargs: Any) -> Response:
            return _recorded(needs, lambda: view(*args, **kwargs))

        return _marked(guard, needs)

    return decorate


def reports(view: View) -> View:
    """Guard of what protected resources call with their own credentials; what they report is itself the record."""

    @wraps(view)
    def guard(*args: Any, **kwargs: Any) -> Response:
        reporter = authentication.identify_resource()
        check_json()
        return idempotency.once(f"{reporter.account_id} {reporter.resource.identifier}", lambda: _placed(_finished(view(*args, **kwargs))))

    return _marked(guard, Needs(RESOURCE, ()))


def _recorded(needs: Needs, view: Callable[[], Response]) -> Response:
    """Carry the change out once; whatever comes of it is recorded, but for calls that nobody was identified in."""
    try:
        caller = authentication.identify(needs)
        authentication.permit(caller, needs.permissions)
        _check_form(needs)
        owner = f"{caller.account_id} {caller.member_id} {caller.client_stream}"
        return idempotency.once(owner, lambda: _carried_out(needs, view))
    except Exception as error:
        problem = problems.of(error)
        if "api_caller" in g and problem.status in (403, 404, 409, 412, 500, 503) and not problem.code.startswith("idempotency"):
            _record(needs, "refused" if problem.status < 500 else "failed", problem.code)
        raise


def _carried_out(needs: Needs, view: Callable[[], Response]) -> Response:
    response = _finished(view())
    _record(needs, "ok", None)
    return _placed(response)


def _placed(response: Response) -> Response:
    """Tell where what was recorded stands."""
    recorded = context.recorded()
    if recorded is not None:
        response.headers[positions.HEADER] = positions.of(context.services(), recorded)
    return response


def _check_form(needs: Needs) -> None:
    if request.content_length or request.headers.get("Transfer-Encoding"):
        check_json()
    if needs.conditional and not request.if_match:
        raise Problem("precondition-required", "Send the ETag that you read as If-Match, or * for whatever it is.")


def check_json() -> None:
    """Refuse a body that says to be anything but JSON."""
    if not request.is_json:
        raise Problem("unsupported-media-type", headers={"Accept": "application/json"})


def _record(needs: Needs, outcome: Outcome, detail: str | None) -> None:
    """`action.performed`; the change itself stands already, so a database that is lost now fails nothing but this."""
    caller = context.caller()
    grant = caller.judged.standing.grant
    try:
        record_action.record(
            context.services(), caller.account_id, member_id=grant.member_id, client_stream=grant.for_client, client_id=grant.client_id,
            grant_id=str(grant.id), resource=caller.resource.identifier, operation=needs.operation or "", scope=needs.scope, projects=(),
            outcome=outcome, detail=detail, origin=context.origin(),
        )  # fmt: skip
    except (Busy, ConnectionLost) as error:
        current_app.logger.warning("action not recorded", extra={"operation": needs.operation}, exc_info=error)


def _finished(response: Response) -> Response:
    if "api_etag" in g:
        response.set_etag(g.api_etag)
    response.headers["Cache-Control"] = "no-store" if request.method != "GET" else "private, no-cache"
    response.headers["Vary"] = "Authorization"
    return response


def _marked(guard: View, needs: Needs) -> View:
    """Tell the URL map's test and the description what the operation needs."""
    guard.api_needs = needs  # type: ignore[attr-defined]  # a mark on a function
    described = dict(getattr(guard, "_apidoc", {}))
    described["manual_doc"] = {**described.get("manual_doc", {}), "x-grantbook-needs": _as_json(needs)}
    guard._apidoc = described  # type: ignore[attr-defined]  # noqa: SLF001  # where flask-smorest looks for it
    return guard


def _as_json(needs: Needs) -> dict[str, Any]:
    return {"scope": needs.scope, "permissions": list(needs.permissions), "operation": needs.operation, "conditional": needs.conditional}
