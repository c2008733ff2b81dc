"""The gateway in front of MCP servers and other upstreams: tokens in, signed assertions out."""
