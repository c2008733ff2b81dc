"""The tests of the demo's protected resource, against the real process where that is what matters."""
