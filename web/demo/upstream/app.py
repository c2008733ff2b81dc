"""The MCP server of the demo as one ASGI application: tools behind a scope check, behind the assertion middleware."""

from __future__ import annotations

from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import CallToolResult, InputRequiredResult, TextContent
from pydantic import ValidationError
from starlette.types import ASGIApp

from web.demo.upstream.assertion import Verifier
from web.demo.upstream.caller import caller_of
from web.demo.upstream.middleware import MAX_BODY, AssertionMiddleware
from web.demo.upstream.operations import operations
from web.demo.upstream.tools import account, catalog, develop, jobs, metrics
from web.demo.upstream.world import World

PATH = "/mcp"

INSTRUCTIONS = (
    "Metrics, models and jobs of a made-up company, by project. Ask query_metrics for figures, for example revenue of the last 30 days. "
    "Answers cover only the projects that the user gave you; an error says which those are."
)


class DemoServer(MCPServer[Any]):
    """The SDK's server, saying in short which argument is wrong."""

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None) -> CallToolResult | InputRequiredResult:
        """Call a tool."""
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            if not isinstance(error.__cause__, ValidationError):
                raise
            wrong = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.__cause__.errors(include_url=False)]
            raise ToolError(f"The arguments of {name} don't fit. {'; '.join(wrong)}.") from error


def build_server(world: World) -> MCPServer[Any]:
    """The MCP server with all tools."""
    server = DemoServer(
        name="jaffle-analytics",
        title=world.account,
        instructions=INSTRUCTIONS,
        version="1.0.0",
        log_level="WARNING",
        subscriptions=False,
        middleware=[require_scope],
    )
    for tools in (account, metrics, catalog, develop, jobs):
        tools.register(server, world)
    return server


def build_app(world: World, verifier: Verifier) -> ASGIApp:
    """Stateless Streamable HTTP with plain JSON answers. Host and Origin decide nothing here: the assertion does."""
    mcp_app = build_server(world).streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=MAX_BODY,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    return AssertionMiddleware(mcp_app, verifier)


async def require_scope(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """Refuse a tool whose scope the assertion does not carry, whatever the gateway let through."""
    if ctx.method == "tools/call":
        name = (ctx.params or {}).get("name")
        operation = operations().get(name) if isinstance(name, str) else None
        if operation is not None and operation.scope not in caller_of(ctx.request).scopes:
            text = f"The tool {name} needs the scope {operation.scope}, which this request does not carry."
            return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
    return await call_next(ctx)
