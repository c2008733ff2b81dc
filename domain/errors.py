"""What the domain refuses, each with a sentence that may be shown to whoever asked."""

from __future__ import annotations


class DomainError(Exception):
    """A rule said no. `message` is public: it says what was wrong and what to do, and holds no secret."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidInput(DomainError):
    """A value is malformed or out of range."""


class NotFound(DomainError):
    """There is no such thing in this account."""


class AlreadyExists(DomainError):
    """Such a thing exists already."""


class NotAllowed(DomainError):
    """The actor may not do this."""


class Refused(DomainError):
    """The state of things forbids it: removed, blocked, ended, pending."""
