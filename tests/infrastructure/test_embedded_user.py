"""The system user that root gives the embedded PostgreSQL."""

from __future__ import annotations

import pwd
import subprocess
import sys
from secrets import token_hex

import pytest

from tests.support.embedded import IS_ROOT

MAKE = """
import sys
from infrastructure import embedded_user
embedded_user.SYSTEM_USER = sys.argv[1]
print("ready", flush=True)
sys.stdin.readline()
print(embedded_user.server_user(None).uid)
"""


@pytest.mark.skipif(not IS_ROOT, reason="only root makes a user")
def test_processes_that_start_at_once_make_one_user() -> None:
    name = f"gb-{token_hex(4)}"
    processes = [subprocess.Popen([sys.executable, "-c", MAKE, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        ids = {process.communicate()[0].strip() for process in processes}
        assert ids == {str(pwd.getpwnam(name).pw_uid)}
    finally:
        for command in ("userdel", "groupdel"):
            subprocess.run([command, name], capture_output=True, check=False)
