"""The demo's protected resource: a real MCP server over generated data, reached only through the gateway."""
