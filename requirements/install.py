"""Makes `.venv` from the hashed requirements, repairs it where a run was cut off, and does nothing where it is right."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
VENV = HERE.parent / ".venv"
PYTHON = VENV / "bin" / "python"
UNFINISHED = VENV / ".grantbook-unfinished"
PLACE = VENV / ".grantbook-place"
LAUNCHER = """#!/bin/sh
'''exec' "$(dirname "$(readlink -f "$0")")/python" "$0" "$@"
' '''
import sys

from web.cli import main

if __name__ == "__main__":
    sys.exit(main())
"""


def main() -> None:
    """Bring `.venv` up to the level asked for: `demo` or `dev`."""
    level = sys.argv[1]
    try:
        if not _is_current(level):
            _take_turn()
            if not _is_current(level):
                _install(level)
    except KeyboardInterrupt:
        sys.exit(130)
    except (PermissionError, IsADirectoryError) as error:
        _give_up(f"{error.filename} can't be written: give this folder to the user who runs make, or clone it again elsewhere.")
    except OSError as error:
        _give_up(f"{error.strerror or error} ({error.filename or VENV}).")


def _install(level: str) -> None:
    started = time.monotonic()
    if UNFINISHED.exists() or _was_moved() or not _venv_version():
        _make_venv()
    UNFINISHED.touch()
    PLACE.write_text(str(VENV))
    _stamp(level).unlink(missing_ok=True)
    print(f"Installing what {'the tests need' if level == 'dev' else 'Grantbook needs'} into .venv ...", flush=True)
    _install_requirements(level)
    _add_product()
    _stamp(level).write_text(_fingerprint(level))
    UNFINISHED.unlink()
    print(f"Installed in {time.monotonic() - started:.0f} s.", flush=True)


def _make_venv() -> None:
    if os.pathsep in str(VENV):
        _give_up(f"the folder {HERE.parent} has a '{os.pathsep}' in its name, which Python's environments can't stand: rename it.")
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, text=True, check=False, env=_environment())
    if made.returncode:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        shutil.rmtree(VENV, ignore_errors=True)
        _give_up(f"{sys.executable} can't make a virtual environment: install its venv module (Debian: apt-get install python{version}-venv).")


def _install_requirements(level: str) -> None:
    wanted = str(HERE / f"{level}.txt")
    pip = [str(PYTHON), "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "--require-hashes"]
    uv = [str(VENV / "bin" / "uv"), "--quiet", "pip", "install", "--python", str(PYTHON), "--require-hashes", "--compile-bytecode"]
    if _runs([*pip, "--no-deps", "-r", str(HERE / "uv.txt")]) and _runs([*uv, "-r", wanted]):
        return
    print("uv could not install them; trying again with pip, which takes longer.", flush=True)
    if not _runs([*pip, "--no-deps", "-r", wanted]):
        _give_up("the requirements could not be installed: see the message above, and check that the package registry can be reached.")


def _add_product() -> None:
    """Put the checkout on the path and the command beside Python, without a build and without an absolute path."""
    site_packages = next((VENV / "lib").glob("python*/site-packages"))
    (site_packages / "grantbook.pth").write_text(os.path.relpath(HERE.parent, site_packages) + "\n")
    for outdated in site_packages.glob("grantbook-*.dist-info"):
        shutil.rmtree(outdated)
    metadata = site_packages / f"grantbook-{_version()}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: grantbook\nVersion: {_version()}\n")
    launcher = VENV / "bin" / "grantbook"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)


def _version() -> str:
    with (HERE.parent / "pyproject.toml").open("rb") as project:
        return str(tomllib.load(project)["project"]["version"])


def _is_current(level: str) -> bool:
    stamp = _stamp(level)
    return stamp.exists() and not UNFINISHED.exists() and stamp.read_text() == _fingerprint(level)


def _fingerprint(level: str) -> str:
    """What the installed state depends on: the files, the interpreter and the folder, which scripts in .venv/bin name."""
    digest = hashlib.sha256(repr((_venv_version(), str(VENV), _version())).encode())
    for name in ("install.py", "uv.txt", f"{level}.txt"):
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()


def _venv_version() -> str:
    """The Python of .venv; empty where it doesn't run, is too old or has no pip, as after an upgrade of the system's Python."""
    probe = [str(PYTHON), "-c", "import sys, pip; print(sys.version if sys.version_info >= (3, 11) else '')"]
    try:
        return subprocess.run(probe, capture_output=True, text=True, check=False, env=_environment()).stdout.strip()
    except OSError:
        return ""


def _was_moved() -> bool:
    """Whether the folder was renamed or copied since: the scripts in .venv/bin name the old one."""
    return PLACE.exists() and PLACE.read_text() != str(VENV)


def _stamp(level: str) -> Path:
    return VENV / f".grantbook-{level}"


def _runs(command: list[str]) -> bool:
    try:
        return subprocess.run(command, check=False, env=_environment()).returncode == 0
    except OSError:
        return False


def _environment() -> dict[str, str]:
    """The environment without what would aim Python, pip or uv at another place than .venv."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX"}}
    kept["PIP_USER"] = "0"
    if not _home_is_writable():
        kept.setdefault("UV_NO_CACHE", "1")
        kept.setdefault("PIP_NO_CACHE_DIR", "1")
    return kept


def _home_is_writable() -> bool:
    try:
        return os.access(Path.home(), os.W_OK)
    except RuntimeError:
        return False


def _take_turn() -> None:
    """Let one install at a time work in this folder; the lock lasts as long as this process."""
    folder = HERE.parent / ".stamps"
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / "install.lock", os.O_CREAT | os.O_RDWR, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Waiting for another make in this folder to finish installing ...", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _give_up(sentence: str) -> NoReturn:
    print(f"grantbook: {sentence}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
