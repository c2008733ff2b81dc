"""Documents that fall behind the product fail here: settings, the command line, decisions, the commands of make."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from infrastructure.settings import Settings, load_settings
from tests.architecture import command_line
from tests.architecture.source import ROOT

DOCS = ROOT / "docs"


class Recording(Mapping[str, str]):
    """An environment that remembers which variables were asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _settings(folder: Path) -> tuple[Settings, set[str]]:
    environment = Recording()
    settings = load_settings(environment, folder)
    return settings, {name for name in environment.asked if name.startswith("GRANTBOOK_") and not name.endswith("_FILE")}


def _documented_settings() -> dict[str, str]:
    """Each setting with the second cell of its row, the default."""
    return dict(re.findall(r"^\| `(GRANTBOOK_\w+)` \| ([^|]*?) \|", (DOCS / "settings.md").read_text(), re.MULTILINE))


def test_every_setting_is_documented_and_every_documented_setting_exists(tmp_path: Path) -> None:
    _, asked = _settings(tmp_path)
    assert set(_documented_settings()) == asked


def test_documented_defaults_are_the_real_ones(tmp_path: Path) -> None:
    settings, _ = _settings(tmp_path)
    real = {name: _value(settings, name) for name, default in _documented_settings().items() if default.startswith("`")}
    assert {name: f"`{value}`" for name, value in real.items()} == {name: _documented_settings()[name] for name in real}


def _value(settings: Settings, name: str) -> object:
    field = name.removeprefix("GRANTBOOK_").lower()
    parts = (settings, field), (settings.limits, field.replace("_limit", "")), (settings.deposits, field.removeprefix("ledger_deposit_"))
    value = next((found for part, name in parts if (found := getattr(part, name, None))), 0)
    return value.name if isinstance(value, Path) else value


def test_the_command_line_reference_is_what_the_commands_say() -> None:
    written = (DOCS / "command-line.md").read_text()
    # In a process of its own: commands that have run remember how their help could be asked for then.
    alone = "from tests.architecture import command_line; print(command_line.render(), end='')"
    said = subprocess.run([sys.executable, "-c", alone], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert written == said, "run `make docs` and commit docs/command-line.md"


def test_every_command_of_make_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    named = {name for document in documents for name in re.findall(r"`make ([a-z]+)", document.read_text())}
    assert named <= targets


def test_every_decision_is_listed() -> None:
    listed = (DOCS / "decisions" / "README.md").read_text()
    pages = [path.name for path in (DOCS / "decisions").glob("[0-9]*.md")]
    assert pages
    assert [page for page in pages if f"({page})" not in listed] == []


def test_every_command_that_the_documents_show_exists() -> None:
    known = {" ".join(path) for path, _ in command_line.commands()}
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("*.md")]
    shown = {words for document in documents for words in re.findall(r"`grantbook ((?:[a-z-]+ ?)+)", document.read_text())}
    assert [words for words in shown if not _names_a_command(words.split(), known)] == []


def _names_a_command(words: list[str], known: set[str]) -> bool:
    """Whether the first words, of which the last may be arguments, are a command."""
    return any(" ".join(words[:count]) in known for count in range(len(words), 0, -1))
