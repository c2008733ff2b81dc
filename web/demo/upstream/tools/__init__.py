"""The tools of the demo's MCP server, one file for each scope."""
