"""The tests: they mirror the source, and share helpers in `tests.support`."""
