"""The schema: numbered, forward-only SQL files and the runner that applies them under the owner's connection."""

from infrastructure.migrations.files import Migration, MigrationFileError, load_migrations
from infrastructure.migrations.runner import MigrationError, NotMigrated, migrate
from infrastructure.migrations.state import MigrationState, check, status

__all__ = [
    "Migration",
    "MigrationError",
    "MigrationFileError",
    "MigrationState",
    "NotMigrated",
    "check",
    "load_migrations",
    "migrate",
    "status",
]
