"""A log that is only a list of leaves, and peers on a port of their own that answer as a test says, or cut off."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count

from infrastructure.ledger.deposits.places import Deposit
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.tree import Tree
from infrastructure.ledger.verifier import leaf_hash

ROOT_KEY = bytes(range(32))
_numbers = count(1)


class Log:
    """Its entries are made up, and another `past` has others from the entry `after` on."""

    def __init__(self, origin: str = "", past: str = "", after: int = 0) -> None:
        self.signer = LogSigner(origin or f"auth.example.com/ledger/{next(_numbers)}", (ROOT_KEY,))
        self._past, self._after = past, after

    def another(self, past: str, after: int) -> Log:
        """One of the same name and key that was written anew."""
        return Log(self.signer.origin, past, after)

    def of_another_key(self) -> Log:
        """One of the same name that somebody else signs: a server that began anew, say."""
        found = Log(self.signer.origin, "of another server")
        found.signer = LogSigner(self.signer.origin, (bytes(reversed(ROOT_KEY)),))
        return found

    def at(self, size: int) -> Deposit:
        """Its checkpoint of this size (below 256: one tile), on its way."""
        leaves = [leaf_hash(f"{n} {self._past if n >= self._after else ''}".encode()) for n in range(size)]

        def tree(of: int) -> Tree:
            return Tree(of, lambda level, index, width: leaves[index * 256 :][:width])

        root = tree(size).root()
        return Deposit(self.signer, size, root, self.signer.checkpoint(size, root), tree(size).consistency)


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port where each connection is served by a thread, and closed afterwards."""

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if tls is None:
                serve(connection)
                return
            with tls.wrap_socket(connection, server_side=True) as secured:
                serve(secured)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


@dataclass(frozen=True)
class Request:
    """What was asked: its head as it came, and its body."""

    head: bytes
    body: bytes

    @property
    def path(self) -> str:
        return self.head.split(b" ")[1].decode()

    def header(self, name: str) -> str:
        lines = (line.partition(b":") for line in self.head.split(b"\r\n")[1:])
        return next((value.strip().decode() for key, _, value in lines if key.lower() == name.lower().encode()), "")


def read_request(connection: socket.socket) -> Request:
    """A whole one; `OSError` if it breaks off."""
    found = b""
    while b"\r\n\r\n" not in found:
        found += _some(connection)
    head, _, body = found.partition(b"\r\n\r\n")
    length = int(Request(head, b"").header("content-length") or 0)
    while len(body) < length:
        body += _some(connection)
    return Request(head, body)


def reply(body: bytes, status: str = "200 OK", media_type: str = "text/plain", *headers: str) -> bytes:
    """An answer of HTTP/1.1."""
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {media_type}", f"Content-Length: {len(body)}", "Connection: close", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextlib.contextmanager
def answering(answer: Callable[[Request], bytes | Iterable[bytes]], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server whose answers are these very bytes."""

    def serve(connection: socket.socket) -> None:
        found = answer(read_request(connection))
        for part in [found] if isinstance(found, bytes) else found:
            connection.sendall(part)

    with listening(serve, tls) as port:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"


class Relay:
    """Between us and a real peer. `cut`: where the next connection breaks off ("request": before it, "amid request", "answer": before it, "amid
    answer"); from then on everything passes."""

    def __init__(self, port: int) -> None:
        self._port, self.cut, self.passed = port, "", list[Request]()

    def __call__(self, connection: socket.socket) -> None:
        cut, self.cut = self.cut, ""
        if cut == "request":
            return
        request = read_request(connection)
        whole = request.head + b"\r\n\r\n" + request.body
        with socket.create_connection(("127.0.0.1", self._port)) as peer:
            if cut == "amid request":
                peer.sendall(whole[: len(whole) - len(request.body) // 2])
                return
            peer.sendall(whole)
            self.passed.append(request)
            answer = _all(peer)
        if cut != "answer":
            connection.sendall(answer[: len(answer) - 40] if cut == "amid answer" else answer)


def _some(connection: socket.socket) -> bytes:
    found = connection.recv(65_536)
    if not found:
        raise ConnectionError
    return found


def _all(connection: socket.socket) -> bytes:
    found = b""
    while part := connection.recv(65_536):
        found += part
    return found
