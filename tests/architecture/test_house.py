"""The house's own files: locked requirements, no addresses and paths of one machine, nothing left undone, links that lead somewhere."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, ROOT, texts

LOCKED = ("uv", "base", "demo", "otel", "dev")
# Written so that this file doesn't hold what it looks for.
PATHS_OF_ONE_MACHINE = re.compile("|".join(("/wo" + "rk/", "/ro" + "ot/", "/ho" + r"me/\w", "/Us" + "ers/")))
LEFT_UNDONE = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


@pytest.mark.parametrize("name", LOCKED)
def test_every_requirement_is_locked_with_hashes_and_names_no_index(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert not re.search(r"^\s*--(?:index|extra-index|find-links|trusted)|https?://", text, re.MULTILINE)


def test_demo_and_dev_install_the_same_versions_as_the_product() -> None:
    for smaller, larger in (("base", "demo"), ("base", "otel"), ("demo", "dev"), ("otel", "dev")):
        assert _versions(smaller).items() <= _versions(larger).items()


def test_the_node_lock_names_no_registry() -> None:
    lock = json.loads((ROOT / "tests" / "node" / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert [name for name, package in packages.items() if "resolved" in package or "integrity" not in package] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert {f"{name}: {match[0]}" for name, text in texts() for match in PATHS_OF_ONE_MACHINE.finditer(text)} == set()


def test_nothing_is_left_undone() -> None:
    assert {f"{name}: {match[0]}" for name, text in texts() if not name.endswith(".txt") for match in LEFT_UNDONE.finditer(text)} == set()


def test_no_test_starts_a_loop_where_a_browsers_may_be_running() -> None:
    """Playwright's synchronous API keeps one in the thread of whichever tests come after its own: tests.support.asynchronous takes another thread."""
    started = re.compile(r"asyncio\.(?:run|Runner)\(|anyio\.run\(")
    found = {name for name, text in texts() if name.startswith("tests/") and name.endswith(".py") and started.search(text)}
    assert found <= {"tests/support/asynchronous.py", "tests/architecture/test_house.py"}


def test_the_compose_file_has_no_default_for_a_secret() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    secrets = set(re.findall(r"\$\{(\w*(?:KEY|KEYS|PASSWORD)\w*)(:\?|:-|-|\})", text))
    assert secrets
    assert {mark for _, mark in secrets} == {":?"}


def test_the_script_for_the_compose_file_makes_every_setting_that_it_requires() -> None:
    required = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    made = set(re.findall(r"^(\w+)=\$", (ROOT / "docker" / "make-env").read_text(), re.MULTILINE))
    assert required <= made


def test_every_file_of_the_product_goes_into_its_package() -> None:
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["*"]
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert [path.name for path in files if path.suffix != ".py" and not any(path.match(pattern) for pattern in packaged)] == []


def _versions(name: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+(?:\[[a-z,]+\])?)==(\S+)", text, re.MULTILINE))


def _documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("document", _documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", document.read_text())
    here = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in here if not (document.parent / target).exists()] == []
