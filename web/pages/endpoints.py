"""The addresses that an app needs to connect, as the copy fields show them."""

from __future__ import annotations

from typing import Final

from application.services import Services
from domain.account import Account
from web.pages.models import Endpoint

_SILENT: Final = "Nothing answers here until an MCP server stands behind it, as its upstream under Resources."


def answers(account: Account, services: Services) -> bool:
    """Whether a server stands behind the account's MCP endpoint."""
    resource = account.resources.get(services.mcp_url)
    return resource is not None and resource.upstream is not None


def mcp_hint(account: Account, services: Services) -> str:
    """What stands below the MCP endpoint's URL where somebody is told to give it to an app."""
    return "" if answers(account, services) else _SILENT


def endpoints(account: Account, services: Services) -> tuple[Endpoint, ...]:
    issuer, hint = services.issuer, mcp_hint(account, services) or "The only one that most apps ask for."
    return (
        Endpoint(id="mcp-url", label="MCP endpoint URL", url=services.mcp_url, hint=hint),
        Endpoint(id="metadata-url", label="Issuer metadata", url=f"{issuer}/.well-known/oauth-authorization-server"),
        Endpoint(id="authorize-url", label="Authorize URL", url=f"{issuer}/oauth/authorize"),
        Endpoint(id="token-url", label="Token URL", url=f"{issuer}/oauth/token"),
        Endpoint(id="register-url", label="Registration URL", url=f"{issuer}/oauth/register"),
        Endpoint(id="revoke-url", label="Revocation URL", url=f"{issuer}/oauth/revoke"),
        Endpoint(id="api-url", label="API base URL", url=services.api_url),
    )
