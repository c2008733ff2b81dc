from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]


def test_a_short_benchmark_seeds_measures_and_leaves_nothing_behind() -> None:
    small = ["--seconds", "1", "--sessions", "20", "--members", "10", "--connections", "2", "--workloads", "refresh,code,introspect,metadata"]
    done = subprocess.run([sys.executable, "-m", "bench", *small], cwd=HOME, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    for workload in ("refresh", "code", "introspect", "metadata"):
        line = re.search(rf"^{workload} +2 +(\d+) .* (\d+) +-?[\d.]+s", done.stdout, re.MULTILINE)
        assert line, done.stdout
        assert int(line.group(1)) > 0, done.stdout
        assert line.group(2) == "0", done.stdout
    assert "projector:" in done.stdout
    assert "BEGIN/COMMIT" in done.stdout
