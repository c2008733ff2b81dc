"""An upstream that writes down what it gets and answers as the called tool's name says: `python recording_upstream.py PORT`."""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOOLS = ("query", "run", "describe", "hidden", "secret", "account", "stream", "endless")
seen: list[dict[str, Any]] = []
open_streams: set[int] = set()
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        with lock:
            state = {"seen": list(seen), "open_streams": len(open_streams), "threads": threading.active_count()}
        self.answer(200, state)

    def do_DELETE(self) -> None:
        self.note(b"")
        self.answer(200, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.note(body)
        message = json.loads(body)
        method, params = message.get("method", ""), message.get("params") or {}
        name = str(params.get("name") or params.get("uri") or method)
        arguments = params.get("arguments") or {}
        how = getattr(self, "as_" + str(arguments.get("as", name)).replace("/", "_"), None)
        if "id" not in message:
            self.send(202, b"")
        elif how is None:
            self.answer(200, result(message, {"content": [{"type": "text", "text": f"did {name}"}], "isError": False}))
        else:
            how(message, arguments)

    # ---- ways to answer

    def as_initialize(self, message: Any, _: Any) -> None:
        self.answer(200, result(message, {"protocolVersion": "2025-11-25", "capabilities": {}}), {"Mcp-Session-Id": f"up-{len(seen)}"})

    def as_tools_list(self, message: Any, _: Any) -> None:
        found = {"tools": [{"name": name, "inputSchema": {}} for name in TOOLS], "cacheScope": "public"}
        if "event-stream" in self.headers.get("Accept", "") and message.get("id") == "sse":
            half = json.dumps(result(message, found), indent=1).split("\n")
            self.events(b"event: message\n" + b"".join(f"data: {line}\n".encode() for line in half) + b"\n")
        else:
            self.answer(200, result(message, found))

    def as_prompts_list(self, message: Any, _: Any) -> None:
        self.answer(200, result(message, {"prompts": [{"name": "ask"}, {"name": "other"}]}))

    def as_resources_list(self, message: Any, _: Any) -> None:
        self.answer(200, result(message, {"resources": [{"uri": "docs://public/a"}, {"uri": "other://b"}]}))

    def as_resources_templates_list(self, message: Any, _: Any) -> None:
        self.answer(200, result(message, {"resourceTemplates": [{"uriTemplate": "docs://public/{id}"}, {"uriTemplate": "other://{id}"}]}))

    def as_slow(self, message: Any, arguments: Any) -> None:
        time.sleep(float(arguments.get("seconds", 3)))
        self.answer(200, result(message, {"content": []}))

    def as_huge(self, message: Any, _: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(40 * 1024 * 1024))
        self.end_headers()
        for _unused in range(40):
            self.wfile.write(b" " * 1024 * 1024)

    def as_cookies(self, message: Any, _: Any) -> None:
        odd = {"Set-Cookie": "a=b", "X-Powered-By": "gears", "Server-Timing": "x", "Access-Control-Allow-Origin": "*", "Location": "http://evil"}
        self.answer(200, result(message, {"content": []}), {**odd, "Cache-Control": "public, max-age=600"})

    def as_unauthorized(self, message: Any, _: Any) -> None:
        self.answer(401, {"error": "who are you"}, {"WWW-Authenticate": 'Bearer realm="upstream"'})

    def as_redirect(self, message: Any, _: Any) -> None:
        self.answer(307, {}, {"Location": "http://127.0.0.1:1/elsewhere"})

    def as_page(self, message: Any, _: Any) -> None:
        self.send(200, b"<script>alert(1)</script>", {"Content-Type": "text/html"})

    def as_trouble(self, message: Any, _: Any) -> None:
        self.send(503, b"<h1>Traceback: secret</h1>", {"Content-Type": "text/html", "Retry-After": "7"})

    def as_failing(self, message: Any, _: Any) -> None:
        self.answer(200, {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32000, "message": "no"}})

    def as_tool_error(self, message: Any, _: Any) -> None:
        self.answer(200, result(message, {"content": [{"type": "text", "text": "no"}], "isError": True}))

    def as_broken(self, message: Any, _: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b'{"jsonrpc"')
        self.close_connection = True

    def as_gone(self, message: Any, _: Any) -> None:
        self.close_connection = True

    def as_lost_session(self, message: Any, _: Any) -> None:
        self.answer(404, {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32600, "message": "Session not found"}})

    def as_stream(self, message: Any, arguments: Any) -> None:
        done = result(message, {"content": [], "isError": bool(arguments.get("error"))})
        parts = [b": hello\r\n\r\n", event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})]
        self.events(b"".join(parts) + event(done))

    def as_half_stream(self, message: Any, _: Any) -> None:
        self.events(event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}))

    def as_endless(self, message: Any, arguments: Any) -> None:
        """An event, and then nothing until the other side goes away."""
        self.begin_events()
        with lock:
            open_streams.add(id(self))
        try:
            self.wfile.write(event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}}))
            self.connection.settimeout(60)
            self.connection.recv(1)
        except OSError:
            pass
        finally:
            with lock:
                open_streams.discard(id(self))

    as_subscriptions_listen = as_endless

    # ---- plumbing

    def note(self, body: bytes) -> None:
        with lock:
            seen.append({
                "method": self.command, "path": self.path, "headers": [[k, v] for k, v in self.headers.items()],
                "body": base64.b64encode(body).decode(),
            })  # fmt: skip

    def answer(self, status: int, payload: Any, headers: dict[str, str] | None = None) -> None:
        self.send(status, json.dumps(payload).encode(), {"Content-Type": "application/json; charset=utf-8", **(headers or {})})

    def send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def events(self, body: bytes) -> None:
        self.begin_events()
        for index in range(0, len(body), 7):  # in pieces that respect nothing
            self.wfile.write(body[index : index + 7])
            self.wfile.flush()

    def begin_events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True


def result(message: Any, content: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message["id"], "result": content}


def event(message: Any) -> bytes:
    return b"event: message\r\ndata: " + json.dumps(message).encode() + b"\r\n\r\n"


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is no news."""


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
