"""How the web workers speak HTTP: one event loop each, with threads for what waits (docs/decisions/0027)."""
