"""The commands of make on machines that lack something, and the launcher that they put into .venv."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.architecture.source import ROOT

PYTHONS = ("python3", "python3.14", "python3.13", "python3.12", "python3.11")


@pytest.fixture
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", ROOT / "requirements" / "install.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60, env={"PATH": os.defpath, **environment})


def _old_pythons(folder: Path) -> str:
    for name in PYTHONS:
        program = folder / name
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
    return f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin"


@pytest.mark.parametrize("target", ["demo", "test", "lint", "bench"])
def test_without_a_python_that_is_new_enough_every_target_says_so_in_one_sentence(target: str, tmp_path: Path) -> None:
    said = _run("make", "--no-print-directory", target, PATH=_old_pythons(tmp_path))
    assert said.returncode != 0
    sentences = [line for line in said.stderr.splitlines() if not line.startswith("make:")]
    assert sentences == ["grantbook: Python 3.11 or newer is needed, and python3 is older or missing: install it, or name one with PYTHON=... make."]


def test_the_launcher_runs_from_a_folder_with_an_odd_name_and_through_a_link(install: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s "bin" $HOME ü'
    folder.mkdir()
    (folder / "python").symlink_to(sys.executable)
    (folder / "grantbook").write_text(install.LAUNCHER)
    (folder / "grantbook").chmod(0o755)
    link = tmp_path / "grantbook"
    link.symlink_to(folder / "grantbook")
    importable = os.pathsep.join(path for path in (str(ROOT), *sys.path) if path)
    for program in (folder / "grantbook", link):
        said = _run(program, "--help", PYTHONPATH=importable)
        assert (said.returncode, said.stdout.partition("\n")[0]) == (0, "Usage: grantbook [OPTIONS] COMMAND [ARGS]..."), said.stderr


def test_an_unfinished_install_is_not_taken_for_a_finished_one(install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "VENV", tmp_path)
    monkeypatch.setattr(install, "UNFINISHED", tmp_path / "unfinished")
    install._stamp("demo").write_text(install._fingerprint("demo"))
    assert install._is_current("demo")
    install.UNFINISHED.touch()
    assert not install._is_current("demo")


def test_a_changed_lock_is_installed_again(install: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "VENV", tmp_path)
    monkeypatch.setattr(install, "UNFINISHED", tmp_path / "unfinished")
    install._stamp("demo").write_text(install._fingerprint("dev"))
    assert not install._is_current("demo")


def test_a_home_that_cannot_be_written_turns_the_caches_off(install: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "_home_is_writable", lambda: False)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    environment = install._environment()
    assert environment["UV_NO_CACHE"] == environment["PIP_NO_CACHE_DIR"] == "1"
    assert "PYTHONPATH" not in environment
