"""Files and functions stay short enough to be read at once; `python -m tests.architecture.test_sizes` prints the longest."""

from __future__ import annotations

from tests.architecture.source import product

AIM_FOR_FILES, AIM_FOR_FUNCTIONS = 300, 40
# What stands above its aim needs a reason here; nothing may stand above the limit.
# infrastructure.ledger.verifier: an auditor gets this one file, so what it needs can't be moved into others.
LIMIT_FOR_FILES, LIMIT_FOR_FUNCTIONS = 400, 60


def files_longer_than(lines: int) -> list[str]:
    return [f"{module.name}: {module.lines} lines" for module in product() if module.lines >= lines]


def functions_longer_than(lines: int) -> list[str]:
    return [f"{module.name}: {name} has {length} lines" for module in product() for name, length in module.functions() if length > lines]


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    assert files_longer_than(LIMIT_FOR_FILES) == []


def test_no_function_is_too_long_to_be_read_at_once() -> None:
    assert functions_longer_than(LIMIT_FOR_FUNCTIONS) == []


if __name__ == "__main__":
    for line in files_longer_than(AIM_FOR_FILES) + functions_longer_than(AIM_FOR_FUNCTIONS):
        print(line)
