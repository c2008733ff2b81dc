"""One request at the gateway: limited to scope and projects, forwarded with an assertion, answered, recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import httpx
from flask import Request, Response
from werkzeug.exceptions import RequestEntityTooLarge

from web.access_log import REQUEST_ID
from web.challenges import lacking
from web.mcp import answers, challenges, listings, messages, operations, sessions
from web.mcp.outcomes import Settlement, decoded, judge_answer
from web.mcp.slots import Slots
from web.mcp.streams import Relay
from web.mcp.upstream import AnswerBroken, Upstreams, UpstreamUnreachable, assertion_claims, forwarded_headers, read_whole, unsendable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from domain.access import Access, Standing
    from domain.account import Account, Resource


class Judged(Protocol):
    """A live token: what it stands on, what it may do now, what it claims."""

    @property
    def standing(self) -> Standing: ...
    @property
    def access(self) -> Access: ...
    @property
    def claims(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What the gateway is made of: decisions and records of the write side, signatures, sessions, clock, ways to upstreams."""

    issuer: str
    judge_again: Callable[[Judged], Judged | None]
    """The same grant as it stands now, even if the token itself is over."""
    sign: Callable[[dict[str, Any]], str]
    record: Callable[[Judged, operations.Operation, tuple[str, ...], str, str | None], None]
    """(judged, operation, projects, outcome, detail): `action.performed`; raises `Unrecorded`."""
    sessions: sessions.Sessions
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    upstreams: Upstreams
    calls: Slots
    streams: Slots
    recheck_seconds: float


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may go on: its token's standing, its message, and what the assertion may say."""

    judged: Judged
    resource: Resource
    message: messages.Message | None
    session: str | None
    operation: operations.Operation | None = None
    projects: tuple[str, ...] = ()

    @property
    def message_id(self) -> Any:
        return self.message.id if self.message else None

    @property
    def grant_id(self) -> str:
        return str(self.judged.claims["grant_id"])

    @property
    def account(self) -> Account:
        return self.judged.standing.account


def handle(parts: Parts, request: Request, resource: Resource, judged: Judged) -> Response:
    """Answer a POST or DELETE whose token is live."""
    odd = unsendable(request.headers)
    if odd is not None:
        return answers.refused(400, f"The header {odd.encode('ascii', 'replace').decode()} holds characters that no header may hold.")
    session_id = request.headers.get(sessions.SESSION_HEADER)
    session = parts.sessions.upstream_session(session_id, judged.claims["grant_id"]) if session_id else None
    if session_id and session is None:
        return answers.refused(404, "This session does not exist (any more). Initialize a new one.")
    if request.method == "DELETE":
        return _end_session(parts, request, Call(judged, resource, None, session), session_id)
    if request.mimetype != answers.JSON:
        return answers.refused(415, "The body is one JSON-RPC message, declared as application/json.")
    raw = request.get_data(cache=False)
    if len(raw) > messages.MAX_BODY:
        raise RequestEntityTooLarge
    try:
        message = messages.read_message(raw, request.headers)
    except messages.MessageError as error:
        return answers.refused(400, str(error), error.message_id, error.code)
    call = Call(judged, resource, message, session)
    return _forward(parts, request, call) if message.is_free else _scoped(parts, request, call, message)


def _scoped(parts: Parts, request: Request, call: Call, message: messages.Message) -> Response:
    """An operation that needs scopes, in projects that the token reaches."""
    judged, account = call.judged, call.account
    operation = operations.operation_for(call.resource, message)
    if operation is None:
        parts.record(judged, operations.not_offered(message), (), "refused", "not offered")
        if message.kind is None:
            return answers.refused(200, f"{message.method[:80]} is not offered here.", message.id, messages.METHOD_NOT_FOUND)
        return answers.refused(200, f"Not offered here: {', '.join(message.names)[:200]}", message.id, messages.INVALID_PARAMS)
    missing = operations.missing_scopes(operation, judged.access)
    if missing:
        parts.record(judged, operation, (), "refused", "insufficient_scope")
        return challenges.insufficient_scope(call.resource, " ".join(missing), judged.access.scopes, lacking(judged.standing, missing[0]))
    allowed = operations.allowed_projects(account, judged.access, operation)
    projects, refused = operations.choose_projects(account, operation, allowed, message.arguments)
    if refused:
        parts.record(judged, operation, allowed, "refused", "project")
        names = ", ".join(account.projects[p] for p in allowed) or "none"
        text = f"Not allowed in {', '.join(map(repr, refused[:5]))}. This connection may use: {names}."
        return answers.json_answer(messages.tool_error(message.id, text), 200)
    return _forward(parts, request, replace(call, operation=operation, projects=projects))


def _forward(parts: Parts, request: Request, call: Call) -> Response:
    """Send it on and relay what comes back, while not too much of the same grant is under way."""
    settlement, headers = _settlement(parts, call), _headers(parts, request, call)
    if not parts.calls.take(call.grant_id):
        settlement.settle("refused", "too many calls")
        return answers.patience(429, "Too many calls of this connection are under way.", 1, call.message_id)
    response: Response | None = None
    try:
        response = _answered(parts, request, call, settlement, headers)
        return response
    finally:
        if response is None or not isinstance(response.response, Relay):  # a stream gives back when it is over
            parts.calls.give_back(call.grant_id)


def _answered(parts: Parts, request: Request, call: Call, settlement: Settlement, headers: dict[str, str]) -> Response:
    try:
        answer = parts.upstreams.open(str(call.resource.upstream), request.method, headers, call.message.body if call.message else None)
    except UpstreamUnreachable:
        settlement.settle("failed", "upstream unreachable")
        return answers.bad_gateway("The service behind this endpoint does not answer. Try again in a moment.", call.message_id)
    method = call.message.method if call.message else ""
    if answers.media_type(answer) == answers.EVENTS and answer.status_code == 200 and not listings.is_listing(method):
        return _stream(parts, call, answer, settlement)
    return _whole(parts, request, call, answer, settlement)


def _settlement(parts: Parts, call: Call) -> Settlement:
    """What has no scope has no record."""
    operation = call.operation
    if operation is None:
        return Settlement(None)
    return Settlement(lambda outcome, detail: parts.record(call.judged, operation, call.projects, outcome, detail))


def _headers(parts: Parts, request: Request, call: Call) -> dict[str, str]:
    claims = assertion_claims(
        issuer=parts.issuer, upstream=str(call.resource.upstream), now=int(parts.clock().timestamp()), token_id=parts.new_id(),
        body=call.message.body if call.message else b"", claims=call.judged.claims,
        scope=call.operation.scope if call.operation else "", projects=call.projects,
    )  # fmt: skip
    return forwarded_headers(request.headers, parts.sign(claims), call.session, request.environ.get(REQUEST_ID, ""))


def _stream(parts: Parts, call: Call, answer: httpx.Response, settlement: Settlement) -> Response:
    if not parts.streams.take(call.grant_id):
        answer.close()
        settlement.settle("failed", "too many streams")
        return answers.patience(503, "Too many streams are open. Close one, or try again in a moment.", 5, call.message_id)

    def still_allowed() -> bool:
        """A call under way may outlive its token, but not its grant; whoever only listens needs a live token."""
        now = parts.judge_again(call.judged)
        if now is None or call.operation is None:
            return now is not None and call.judged.claims["exp"] > parts.clock().timestamp()
        return operations.still_holds(now.standing.account, now.access, call.operation, call.projects)

    def finished() -> None:
        parts.streams.give_back(call.grant_id)
        parts.calls.give_back(call.grant_id)

    relay = Relay(answer, settlement, still_allowed, finished, parts.recheck_seconds)
    response = answers.with_headers(Response(relay, content_type=answers.EVENTS), answer)
    response.headers["X-Accel-Buffering"] = "no"
    return _with_session(parts, call, answer, response)


def _whole(parts: Parts, request: Request, call: Call, answer: httpx.Response, settlement: Settlement) -> Response:
    method = call.message.method if call.message else ""
    try:
        body = read_whole(answer)
    except AnswerBroken as error:
        settlement.settle("failed", f"upstream's answer {error}")
        return answers.bad_gateway(f"The answer of the service behind this endpoint was {error}.", call.message_id)
    response = answers.relayed(answer, body, call.message_id)
    if listings.is_listing(method) and response.status_code < 400:
        scopes = operations.reachable_scopes(call.resource, call.judged.standing.member, call.account)
        kept = listings.reachable(method, call.resource, scopes, body, events=answers.media_type(answer) == answers.EVENTS)
        if kept is None:
            return answers.bad_gateway("The service behind this endpoint gave an answer that is no message.", call.message_id)
        response.set_data(kept)
    settlement.settle(*_outcome(response, answer, body))
    if answer.status_code == 404 and call.session:  # the upstream forgot it
        parts.sessions.end(request.headers[sessions.SESSION_HEADER])
    return _with_session(parts, call, answer, response)


def _outcome(response: Response, answer: httpx.Response, body: bytes) -> tuple[str, str | None]:
    if response.status_code >= 400:
        return "failed", f"upstream answered {answer.status_code}"
    return judge_answer(decoded(body)) or ("ok", None)


def _with_session(parts: Parts, call: Call, answer: httpx.Response, response: Response) -> Response:
    """Our session id in the place of the upstream's own."""
    upstream_id = answer.headers.get(sessions.SESSION_HEADER)
    if upstream_id and upstream_id != call.session and response.status_code < 400:
        response.headers[sessions.SESSION_HEADER] = parts.sessions.begin(str(call.account.id), call.grant_id, upstream_id)
    return response


def _end_session(parts: Parts, request: Request, call: Call, session_id: str | None) -> Response:
    if session_id is None:
        return answers.refused(400, f"DELETE ends a session and needs {sessions.SESSION_HEADER}.")
    parts.sessions.end(session_id)
    try:
        parts.upstreams.open(str(call.resource.upstream), "DELETE", _headers(parts, request, call), None).close()
    except UpstreamUnreachable:
        return Response(status=204)
    return Response(status=204)
