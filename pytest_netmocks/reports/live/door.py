"""`Door`: the live page on loopback, for who has its address with the token in it, and for nobody else."""

from __future__ import annotations

import hmac
import http.server
import json
import secrets
import socket
import threading
import urllib.parse
from typing import Any

from pytest_netmocks.reports import page
from pytest_netmocks.reports.live.hub import Hub

BODY = 64 * 1024
"""Bytes that a browser may send at most."""

IDLE = 10.0
"""Seconds after which a comment is sent where nothing happened, so that a browser that has gone is noticed."""

BROWSERS = 16
"""How many may be there at the same time."""


class Door(http.server.ThreadingHTTPServer):
    """Listens as soon as it is made. Raises `OSError` if the port is not free."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, hub: Hub, port: int = 0) -> None:
        self.hub = hub
        self.token = secrets.token_urlsafe(24)
        self._clients: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), Visit)
        self._thread = threading.Thread(target=_serve, args=(self,), name="netmocks live door", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The address of the page, with the token."""
        return f"http://127.0.0.1:{self.port}/?token={self.token}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a browser in a thread of its own, which virtual time knows by its function."""
        with self._guard:
            if len(self._clients) >= BROWSERS:
                self.shutdown_request(request)
                return
            self._clients.add(request)
        threading.Thread(target=_visit, args=(self, request, client_address), daemon=True).start()

    def gone(self, request: socket.socket) -> None:
        """A browser has gone."""
        with self._guard:
            self._clients.discard(request)

    def close(self) -> None:
        """Listen no more, and let who is there go."""
        self.hub.close()
        self.shutdown()
        self._thread.join(5)
        self.server_close()
        with self._guard:
            clients = list(self._clients)
        for client in clients:
            try:
                client.shutdown(socket.SHUT_RD)
            except OSError:
                continue  # gone already

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that leaves in the middle is no news."""


def _serve(door: Door) -> None:
    door.serve_forever(0.1)


def _visit(door: Door, request: socket.socket, client_address: Any) -> None:
    try:
        door.process_request_thread(request, client_address)
    finally:
        door.gone(request)


class Visit(http.server.BaseHTTPRequestHandler):
    """One browser's requests."""

    server: Door
    server_version = "netmocks"
    sys_version = ""
    timeout = 60.0
    """Seconds that a request may take to come."""

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged: the terminal is the test run's."""

    def _is_welcome(self) -> bool:
        """Whether the request has the token, and comes from a page that is this one or none."""
        own = {f"{name}:{self.server.port}" for name in ("127.0.0.1", "localhost")}
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        given = query.get("token", [""])[0]
        origin = self.headers.get("Origin")
        return (
            # A page of somebody else's may have its own name point here (DNS rebinding).
            self.headers.get("Host") in own
            and (origin is None or origin.removeprefix("http://") in own)
            and hmac.compare_digest(given.encode(), self.server.token.encode())
        )

    def do_GET(self) -> None:
        """The page, or what happens, as it does."""
        place = urllib.parse.urlsplit(self.path).path
        if not self._is_welcome():
            self._answer(403, b"this needs the whole address that was printed, token included\n", "text/plain")
        elif place == "/":
            self._answer(200, page.live(), "text/html; charset=utf-8")
        elif place == "/events":
            self._tell()
        else:
            self._answer(404, b"there is nothing here\n", "text/plain")

    def do_POST(self) -> None:
        """A fault is put in force, or lifted."""
        if not self._is_welcome():
            self._answer(403, b"this needs the token\n", "text/plain")
            return
        try:
            size = int(self.headers.get("Content-Length", ""))
            if not 0 <= size <= BODY:
                raise ValueError(f"the body may have {BODY} bytes")
            asked = json.loads(self.rfile.read(size))
            place = urllib.parse.urlsplit(self.path).path
            if place == "/inject":
                self.server.hub.inject(int(asked["server"]), str(asked["fault"]))
            elif place == "/lift":
                self.server.hub.lift(int(asked["server"]), int(asked["injection"]))
            else:
                self._answer(404, b"there is nothing here\n", "text/plain")
                return
        except (ValueError, TypeError, KeyError, RuntimeError, RecursionError) as error:
            self._answer(400, json.dumps({"error": str(error)}).encode(), "application/json")
            return
        self._answer(200, b"{}", "application/json")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self._send_heads(kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_heads(self, kind: str) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")

    def _tell(self) -> None:
        """Server-sent events (WHATWG HTML, "Server-sent events") until the browser goes or nothing more comes."""
        self.send_response(200)
        self._send_heads("text/event-stream")
        self.end_headers()
        reader = self.server.hub.reader()
        try:
            while (message := reader.take(IDLE)) is not None:
                self.wfile.write(f"data: {message}\n\n".encode() if message else b":\n\n")
            self.wfile.write(b"event: over\ndata: {}\n\n")
        finally:
            self.server.hub.leave(reader)
