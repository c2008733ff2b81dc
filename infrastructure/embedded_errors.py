"""The one error of the embedded PostgreSQL: a sentence that says what to do."""


class EmbeddedError(Exception):
    """The embedded PostgreSQL can't be used here; the message is one sentence for the person at the terminal."""
