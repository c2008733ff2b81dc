"""The options of commands that write a file: none overwrites one that holds something unless it is told to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_FORCED = "grantbook.force"


def written_file(*flags: str, help: str | None = None, required: bool = False) -> Callable[[Any], Any]:
    """The option that names the file to write, as `click.option`; and `--force` after it."""
    force = click.option(
        "--force", is_flag=True, is_eager=True, expose_value=False, callback=_remember, help="Overwrite FILE where it is there already."
    )
    kind = click.Path(dir_okay=False, path_type=Path)
    named = click.option(*flags, type=kind, required=required, metavar="FILE", help=help, callback=lambda ctx, _, path: spared(ctx, path))
    return lambda function: named(force(function))


def _remember(ctx: click.Context, _: click.Parameter, forced: bool) -> None:
    ctx.meta[_FORCED] = forced


def spared(ctx: click.Context, path: Path | None) -> Path | None:
    """The path, unless something stands there that nobody said to overwrite; an empty file holds nothing, and a pipe can't be overwritten."""
    from domain.errors import Refused

    if path is not None and not ctx.meta[_FORCED] and path.is_file() and path.stat().st_size:
        raise Refused(f"{path} is there already: give another name, or --force to overwrite it.")
    return path


def manifest_of(export: Path) -> Path:
    """Where the signed manifest of an export stands."""
    return export.with_name(f"{export.name}.manifest.json")
