"""How commands print: sentences and tables for people, one JSON value for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

_WIDTH_OF_A_PIPE = 240


@dataclass(frozen=True, slots=True)
class Output:
    """Where and in which form a command answers."""

    as_json: bool

    def say(self, sentence: str, **facts: Any) -> None:
        """A sentence, or its facts as a JSON object."""
        print_line(to_json(facts) if self.as_json else sentence)

    def warn(self, sentence: str) -> None:
        """A sentence on standard error, in either form."""
        sys.stderr.write(f"Warning: {sentence}\n")

    def note(self, sentence: str) -> None:
        """A sentence for people only."""
        if not self.as_json:
            print_line(sentence)

    def rows(self, rows: Sequence[Any], columns: Mapping[str, str], empty: str) -> None:
        """A table of the named fields with their headings, or a JSON list of everything."""
        if self.as_json:
            print_line(to_json(list(rows)))
        elif not rows:
            print_line(empty)
        else:
            _table([{name: field_of(row, name) for name in columns} for row in rows], columns)

    def one(self, thing: Any, labels: Mapping[str, str]) -> None:
        """One thing, field by field."""
        if self.as_json:
            print_line(to_json(thing))
            return
        width = max(len(label) for label in labels.values())
        for name, label in labels.items():
            print_line(f"{label:<{width}}  {shown(field_of(thing, name))}")


def print_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def to_json(value: Any) -> str:
    """JSON of dataclasses, times (ISO 8601, UTC) and ids."""
    return json.dumps(value, default=_plain, ensure_ascii=False)


def shown(value: Any) -> str:
    """A value in a table's cell. Control characters of a client's own words never reach the terminal."""
    if value is None or value in ((), []):
        return "-"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={shown(v)}" for k, v in value.items()) or "-"
    if isinstance(value, (tuple, list, set, frozenset)):
        return ", ".join(shown(v) for v in value)
    return "".join(c if c.isprintable() else "?" for c in str(value))


def _table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns.values():
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(row[name])) for name in columns))
    console = Console()
    (console if console.is_terminal else Console(width=_WIDTH_OF_A_PIPE)).print(table)


def field_of(row: Any, name: str) -> Any:
    """What a row holds under a name, whether it is a mapping or an object."""
    return row.get(name) if isinstance(row, Mapping) else getattr(row, name)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in fields(value) if not f.name.startswith("_")}
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
