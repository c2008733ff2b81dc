"""Reads the project's own files: its modules as syntax trees, and every committed text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("domain", "application", "projections", "infrastructure", "web")
_TEXT_FOLDERS = (*PACKAGES, "tests", "bench", "docs", "docker", "requirements", ".ci")
_TEXT_SUFFIXES = {".py", ".md", ".sql", ".html", ".css", ".js", ".mjs", ".json", ".yml", ".yaml", ".toml", ".txt", ".in", ".svg", ".conf", ".sh", ""}
_SKIPPED = {"node_modules", "__pycache__", "out"}


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file of the product."""

    path: Path
    tree: ast.Module
    lines: int

    @property
    def name(self) -> str:
        """Its path from the root, as people write it."""
        return self.path.relative_to(ROOT).as_posix()

    def imports(self) -> Iterator[str]:
        """The dotted names that it imports, wherever in the file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    def functions(self) -> Iterator[tuple[str, int]]:
        """Each function with its length in lines, from `def` to its end."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


@cache
def modules(package: str) -> tuple[Module, ...]:
    """All modules of a top-level package."""
    return tuple(_module(path) for path in sorted((ROOT / package).rglob("*.py")))


def product() -> Iterator[Module]:
    """All modules of the product."""
    for package in PACKAGES:
        yield from modules(package)


def texts() -> Iterator[tuple[str, str]]:
    """Every committed text file with its name from the root."""
    paths = [path for path in ROOT.iterdir() if path.is_file() and path.name != ".env"]
    paths += [path for folder in _TEXT_FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in sorted(paths):
        if path.suffix in _TEXT_SUFFIXES and not _SKIPPED & set(path.relative_to(ROOT).parts):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def _module(path: Path) -> Module:
    text = path.read_text(encoding="utf-8")
    return Module(path, ast.parse(text, str(path)), text.count("\n"))
