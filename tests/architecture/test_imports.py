"""The import rules that import-linter can't say, and that its contracts hold."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.architecture.source import PACKAGES, ROOT, modules, product

LIBRARY_OF_THE_DOMAIN = "eventsourcing.domain"


def test_the_domain_imports_the_standard_library_and_eventsourcing_domain_and_nothing_else() -> None:
    strangers = {
        f"{module.name}: {name}"
        for module in modules("domain")
        for name in module.imports()
        if name.split(".")[0] not in sys.stdlib_module_names | {"domain"} and not name.startswith(LIBRARY_OF_THE_DOMAIN)
    }
    assert not strangers


@pytest.mark.parametrize("package", [package for package in PACKAGES if package != "infrastructure"])
def test_psycopg_is_imported_by_infrastructure_and_by_views_of_projections_only(package: str) -> None:
    users = {module.name for module in modules(package) for name in module.imports() if name.split(".")[0] in {"psycopg", "psycopg_pool"}}
    assert {name for name in users if not (package == "projections" and name.endswith("/view.py"))} == set()


def test_nothing_of_the_product_imports_tests_or_benchmarks() -> None:
    assert {module.name for module in product() for name in module.imports() if name.split(".")[0] in {"tests", "bench"}} == set()


def test_every_import_contract_is_kept() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert said.returncode == 0, said.stdout
