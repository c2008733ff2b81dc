"""One request at the gateway: judged on the write side, limited to scope and projects, forwarded with an assertion, recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import msgspec
from flask import Request, Response, jsonify

from domain.access import holdable
from web.mcp import challenges, messages, operations, sessions, streams
from web.mcp.upstream import RETURNED, Upstreams, UpstreamUnreachable, assertion_claims, forwarded_headers

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from application.ports import Tables
    from domain.access import Access, Standing
    from domain.account import Resource


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
    """What the gateway is made of: decisions and records of the write side, signatures, session table, clock."""

    issuer: str
    judge: Callable[[str], Judged | None]
    sign: Callable[[dict[str, Any]], str]
    record: Callable[..., None]
    """(judged, operation, scope, projects, outcome, detail): `action.performed`."""
    session_table: Tables
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    upstreams: Upstreams


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may go on: its token's standing, its message, and what the assertion may say."""

    judged: Judged
    resource: Resource
    message: messages.Message | None
    operation: operations.Operation | None
    scope: str
    projects: tuple[str, ...]
    session: str | None


def handle(parts: Parts, request: Request, resource: Resource, judged: Judged, token: str) -> Response:
    """Answer a POST or DELETE whose token is live."""
    session_id = request.headers.get(sessions.SESSION_HEADER)
    session = sessions.upstream_session(parts.session_table, session_id, judged.claims["grant_id"]) if session_id else None
    if session_id and session is None:
        return json_answer(messages.error_body(messages.INVALID_REQUEST, "This session does not exist (any more). Initialize a new one."), 404)
    if request.method == "DELETE":
        return _end_session(parts, request, Call(judged, resource, None, None, "", (), session), session_id)
    try:
        message = messages.read_message(request.get_data(cache=False), request.headers)
    except messages.MessageError as error:
        return json_answer(messages.error_body(error.code, str(error), error.message_id), 400)
    if message.is_free:
        return _forward(parts, request, Call(judged, resource, message, None, "", (), session), token)
    return _scoped(parts, request, Call(judged, resource, message, None, "", (), session), token)


def _scoped(parts: Parts, request: Request, call: Call, token: str) -> Response:
    """An operation that needs a scope, in projects that the token reaches."""
    judged, message, account = call.judged, call.message, call.judged.standing.account
    assert message is not None
    operation = operations.operation_for(call.resource, message)
    if operation is None:
        text = f"Unknown tool: {message.name}" if message.method == "tools/call" else f"{message.method} is not offered here."
        code = messages.METHOD_NOT_FOUND if message.name is None else messages.INVALID_PARAMS
        return json_answer(messages.error_body(code, text, message.id), 200)
    if operation.scope not in judged.access.scopes:
        parts.record(judged, operation.name, operation.scope, (), "refused", "insufficient_scope")
        return challenges.insufficient_scope(call.resource, operation.scope, judged.access.scopes, _why_missing(judged, operation.scope))
    allowed = operations.allowed_projects(account, judged.access, operation)
    refused = operations.refused_projects(account, operation, allowed, message.arguments)
    if refused:
        parts.record(judged, operation.name, operation.scope, allowed, "refused", "project")
        names = ", ".join(account.projects[p] for p in allowed) or "none"
        return json_answer(messages.tool_error(message.id, f"Not allowed in {', '.join(refused)}. This connection may use: {names}."), 200)
    return _forward(parts, request, Call(judged, call.resource, message, operation, operation.scope, allowed, call.session), token)


def _why_missing(judged: Judged, scope: str) -> str:
    if holdable(judged.standing.member, judged.standing.account, scope):
        return f"The user did not allow {scope} for this app. Ask for it in a new authorization request."
    return f"The user's role does not include {scope}; an admin of the account can change that."


def _forward(parts: Parts, request: Request, call: Call, token: str) -> Response:
    """Send it on and relay what comes back."""
    resource, message = call.resource, call.message
    if resource.upstream is None:
        return json_answer(messages.error_body(messages.INVALID_REQUEST, "This resource has no upstream behind the gateway."), 404)
    try:
        answer = parts.upstreams.open(resource.upstream, request.method, _headers(parts, request, call), message.raw if message else None)
    except UpstreamUnreachable:
        _record(parts, call, "failed", "upstream unreachable")
        message_id = message.id if message else None
        return json_answer(messages.error_body(-32603, "The service behind this endpoint does not answer. Try again in a moment.", message_id), 502)
    listing = message is not None and message.method == "tools/list"
    if answer.headers.get("content-type", "").startswith("text/event-stream") and not listing:
        return _stream(parts, call, answer, token)
    return _whole(parts, call, answer)


def _headers(parts: Parts, request: Request, call: Call) -> dict[str, str]:
    body = call.message.raw if call.message else b""
    claims = assertion_claims(
        issuer=parts.issuer, upstream=str(call.resource.upstream), now=int(parts.clock().timestamp()), token_id=parts.new_id(), body=body,
        claims=call.judged.claims, scope=call.scope, projects=call.projects,
    )  # fmt: skip
    return forwarded_headers(request.headers, parts.sign(claims), call.session)


def _stream(parts: Parts, call: Call, answer: httpx.Response, token: str) -> Response:
    _record(parts, call, "ok" if answer.status_code < 400 else "failed", None)
    response = Response(streams.relay(answer, lambda: parts.judge(token) is not None), status=answer.status_code)
    return _dressed(parts, call, answer, response)


def _whole(parts: Parts, call: Call, answer: httpx.Response) -> Response:
    try:
        body = answer.read()
    except httpx.HTTPError:
        _record(parts, call, "failed", "upstream broke off")
        return json_answer(
            messages.error_body(-32603, "The service behind this endpoint broke off its answer.", call.message.id if call.message else None), 502
        )
    finally:
        answer.close()
    status = 502 if answer.status_code in (401, 403) else answer.status_code
    failed = status >= 400 or _is_error(body)
    _record(parts, call, "failed" if failed else "ok", None)
    if call.message is not None and call.message.method == "tools/list":
        body = _only_reachable(call, body)
    return _dressed(parts, call, answer, Response(body, status=status))


def _is_error(body: bytes) -> bool:
    try:
        answer = msgspec.json.decode(body) if body else {}
    except msgspec.DecodeError:
        return False
    result = answer.get("result") if isinstance(answer, dict) else None
    return isinstance(answer, dict) and ("error" in answer or (isinstance(result, dict) and result.get("isError") is True))


def _only_reachable(call: Call, body: bytes) -> bytes:
    """`tools/list` without the tools whose scope the user's own permissions can't reach; JSON, or the data lines of an event stream."""
    if body.lstrip().startswith((b"event:", b"data:", b"id:", b":")):
        lines = body.replace(b"\r\n", b"\n").split(b"\n")
        return b"\n".join(b"data: " + _only_reachable(call, line[5:].strip()) if line.startswith(b"data:") else line for line in lines)
    try:
        answer = msgspec.json.decode(body)
        tools = answer["result"]["tools"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return body
    standing = call.judged.standing
    reachable = [s for s in call.resource.scopes if holdable(standing.member, standing.account, s)]
    answer["result"]["tools"] = operations.visible_tools(call.resource, tools, reachable)
    return msgspec.json.encode(answer)


def _dressed(parts: Parts, call: Call, answer: httpx.Response, response: Response) -> Response:
    """The upstream's answer with only the headers that may pass, and our session id in the place of its own."""
    for name in RETURNED:
        if name in answer.headers:
            response.headers[name] = answer.headers[name]
    response.headers["Cache-Control"] = "no-store"
    upstream_id = answer.headers.get(sessions.SESSION_HEADER)
    if upstream_id and upstream_id != call.session:
        ours = parts.new_id()
        parts.session_table.add_gateway_session(
            sessions.hashed(ours), str(call.judged.standing.account.id), call.judged.claims["grant_id"], upstream_id
        )
        response.headers[sessions.SESSION_HEADER] = ours
    return response


def _end_session(parts: Parts, request: Request, call: Call, session_id: str | None) -> Response:
    if session_id is None:
        return json_answer(messages.error_body(messages.INVALID_REQUEST, f"DELETE ends a session and needs {sessions.SESSION_HEADER}."), 400)
    parts.session_table.remove_gateway_session(sessions.hashed(session_id))
    try:
        parts.upstreams.open(str(call.resource.upstream), "DELETE", _headers(parts, request, call), None).close()
    except UpstreamUnreachable:
        return Response(status=204)
    return Response(status=204)


def _record(parts: Parts, call: Call, outcome: str, detail: str | None) -> None:
    if call.operation is not None:
        parts.record(call.judged, call.operation.name, call.operation.scope, call.projects, outcome, detail)


def json_answer(body: dict[str, Any], status: int) -> Response:
    """A JSON answer that nobody keeps."""
    response = jsonify(body)
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response
