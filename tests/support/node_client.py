"""Runs a Node client of tests/node and answers what it asks for on the way."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import needs

FOLDER = Path(__file__).parent.parent / "node"


def run(script: str, facts: dict[str, Any], answers: dict[str, Callable[[dict[str, Any]], dict[str, str]]]) -> dict[str, Any]:
    """The result that the script tells; `answers` by what it asks."""
    node = needs.node()
    assert node is not None
    process = subprocess.Popen(
        [node, str(FOLDER / script), json.dumps(facts)], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        for line in process.stdout:
            said = json.loads(line)
            if "result" in said:
                return dict(said["result"])
            process.stdin.write(json.dumps(answers[said["ask"]](said)) + "\n")
            process.stdin.flush()
        raise AssertionError(process.stderr.read())
