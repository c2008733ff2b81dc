"""Commands import what they need when they run, and the tests' commands start with all of it imported; so each import is tried here by itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

from tests.architecture.source import ROOT, modules
from tests.web.cli.conftest import clean_environment

EACH_BY_ITSELF = """
import importlib, os, sys
import infrastructure.bootstrap, web.cli.root
for name in sys.argv[1:]:
    if (child := os.fork()) == 0:
        try:
            importlib.import_module(name)
            os._exit(0)
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        print(name)
"""


def imported_when_run(tree: ast.Module) -> Iterator[str]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for node in (inner for function in functions for inner in ast.walk(function)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                is_module = (ROOT / inner.replace(".", "/")).is_dir() or (ROOT / f"{inner.replace('.', '/')}.py").is_file()
                yield inner if is_module else node.module


def test_whatever_a_command_imports_needs_nothing_that_other_commands_import() -> None:
    commands = [module for module in modules("web") if module.name.startswith(("web/cli/", "web/demo/command"))]
    names = sorted({name for module in commands for name in imported_when_run(module.tree)})
    assert len(names) > 40
    tried = subprocess.run(
        [sys.executable, "-c", EACH_BY_ITSELF, *names], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert tried.stdout.split() == []
