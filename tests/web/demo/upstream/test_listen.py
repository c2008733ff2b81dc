from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from tests.web.demo.upstream.harness import short_folder
from web.demo.upstream.listen import CannotListen, listen_on_path, listen_on_port


def test_a_socket_that_a_dead_process_left_is_replaced_and_a_live_one_is_not() -> None:
    with short_folder() as folder:
        path = folder / "s"
        listen_on_path(path).close()
        assert path.exists()
        with listen_on_path(path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            with pytest.raises(CannotListen, match="Another process listens"):
                listen_on_path(path)
            assert path.exists()


def test_what_is_no_socket_is_left_alone() -> None:
    with short_folder() as folder:
        path = folder / "s"
        path.write_text("mine")
        with pytest.raises(CannotListen, match="is no socket"):
            listen_on_path(path)
        assert path.read_text() == "mine"


def test_a_path_that_is_too_long_or_has_no_folder_is_refused() -> None:
    with pytest.raises(CannotListen, match="more than 107 bytes"):
        listen_on_path(Path("/tmp") / ("ü" * 60))
    with short_folder() as folder, pytest.raises(CannotListen, match="can't be made"):
        listen_on_path(folder / "nowhere" / "s")


def test_a_port_is_on_loopback_and_must_be_free() -> None:
    with listen_on_port(0) as listener:
        host, port = listener.getsockname()
        assert host == "127.0.0.1"
        with pytest.raises(CannotListen, match=f"Port {port} can't be used"):
            listen_on_port(port)
        assert listener.type == socket.SOCK_STREAM
