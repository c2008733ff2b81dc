"""The migration files as they are shipped: number, name, SQL text and its checksum."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

_FILE_NAME = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)\.sql")


class MigrationFileError(Exception):
    """The shipped files themselves are wrong: a gap, or a number twice."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file; `checksum` is the SHA-256 (hex) of its text before placeholders are filled in."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def load_migrations(folder: Path | None = None) -> tuple[Migration, ...]:
    """All migrations in order, from `folder` or as shipped; raise `MigrationFileError` unless they count 1, 2, 3 ..."""
    files = resources.files("infrastructure.migrations") if folder is None else folder
    found = []
    for file in files.iterdir():
        match = _FILE_NAME.fullmatch(file.name)
        if match:
            found.append(Migration(int(match["number"]), match["name"], file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    numbers = [migration.number for migration in found]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise MigrationFileError(f"Migrations must be numbered 1, 2, 3 ... without a gap; found {numbers}.")
    return tuple(found)
