"""The addresses that an app needs to connect, as the copy fields show them."""

from __future__ import annotations

from application.services import Services
from web.pages.models import Endpoint


def endpoints(services: Services) -> tuple[Endpoint, ...]:
    issuer = services.issuer
    return (
        Endpoint(id="mcp-url", label="MCP endpoint URL", url=services.mcp_url, hint="The only one that most apps ask for."),
        Endpoint(id="metadata-url", label="Issuer metadata", url=f"{issuer}/.well-known/oauth-authorization-server"),
        Endpoint(id="authorize-url", label="Authorize URL", url=f"{issuer}/oauth/authorize"),
        Endpoint(id="token-url", label="Token URL", url=f"{issuer}/oauth/token"),
        Endpoint(id="register-url", label="Registration URL", url=f"{issuer}/oauth/register"),
        Endpoint(id="revoke-url", label="Revocation URL", url=f"{issuer}/oauth/revoke"),
        Endpoint(id="api-url", label="API base URL", url=services.api_url),
    )
