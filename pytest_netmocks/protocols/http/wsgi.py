"""WSGI applications (PEP 3333), by the standard library's handler, with an ASGI face."""

from __future__ import annotations

import asyncio
import io
import queue
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.handlers import BaseHandler
from wsgiref.util import is_hop_by_hop

from pytest_netmocks.protocols.web.prepare import bodiless
from pytest_netmocks.usercode import in_the_loop

READ = 64 * 1024
"""Bytes of the body that `wsgi.input` keeps at hand."""


BODY = "http.response.body"


class _Gone(Exception):  # noqa: N818  # it is thrown through the application
    """The client has gone."""


class WsgiApp:
    """A WSGI application with an ASGI face; it runs in a thread of its own for each request and may block."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __repr__(self) -> str:
        return repr(self._app)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any, *, at_hand: bool = False) -> None:
        """Answer one request; `at_hand` says that the first message received is its whole body."""
        loop = asyncio.get_running_loop()
        out: asyncio.Queue[dict[str, Any] | BaseException | None] = asyncio.Queue()
        taken: queue.Queue[None] = queue.Queue()
        whole = (await receive())["body"] if at_hand else None  # then nobody has to come into the loop for it
        body: io.BufferedIOBase
        body = io.BytesIO(whole) if whole is not None else io.BufferedReader(_Body(loop, receive), READ)
        handler = _Handler(_environ(scope), body, loop, out, taken)
        threading.Thread(target=handler.serve, args=(self._app,), name="netmocks user code", daemon=True).start()
        try:
            while (item := await out.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                await send(item)
                if item["type"] == BODY:
                    taken.put(None)
        finally:
            handler.gone = True
            taken.put(None)
        await send({"type": BODY, "body": b"", "more_body": False})


class _Body(io.RawIOBase):
    """`wsgi.input` below its buffer: it blocks in the application's thread until the client has sent more."""

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Any) -> None:
        super().__init__()
        self._loop = loop
        self._receive = receive
        self._data = memoryview(b"")
        self._more = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._data and self._more:
            message = in_the_loop(self._loop, self._receive)
            if message["type"] != "http.request":
                raise ConnectionAbortedError("the client has gone in the middle of the request's body")
            self._data = memoryview(message["body"])
            self._more = message["more_body"]
        size = min(len(buffer), len(self._data))
        buffer[:size] = self._data[:size]
        self._data = self._data[size:]
        return size


def _environ(scope: dict[str, Any]) -> dict[str, Any]:
    """The variables of PEP 3333, and those that servers have agreed on."""
    path = unquote_to_bytes(scope["raw_path"]).decode("latin-1")
    root = scope["root_path"].encode().decode("latin-1")
    client = scope["client"] or ("", "")
    server, port = scope["server"]
    if port is None:  # a UNIX socket, and neither of the two may be empty
        server, port = "localhost", 443 if scope["scheme"] in ("https", "wss") else 80
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root,
        "PATH_INFO": path.removeprefix(root),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "REQUEST_URI": scope["target"],
        "RAW_URI": scope["target"],
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server,
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input_terminated": True,
    }
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").upper()
        if "_" in name or name == "TRANSFER-ENCODING":
            continue  # X_A would pass for X-A; and the body is read without its chunks
        key = name.replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        text = value.decode("latin-1")
        environ[key] = f"{environ[key]},{text}" if key in environ else text
    return environ


class _Handler(BaseHandler):
    """The standard library's gateway; what it would write goes to the loop, a piece at a time."""

    environ: dict[str, Any]
    status: str | None
    headers: Any
    os_environ: dict[str, str] = {}  # noqa: RUF012  # as the base has it: the process's is no client's business
    wsgi_run_once = False
    wsgi_multiprocess = False

    def __init__(
        self,
        environ: dict[str, Any],
        body: io.BufferedIOBase,
        loop: asyncio.AbstractEventLoop,
        out: asyncio.Queue[Any],
        taken: queue.Queue[None],
    ) -> None:
        super().__init__()
        self._variables = environ
        self._stdin = body
        self._loop = loop
        self._out = out
        self._taken = taken
        self.gone = False
        self._on_its_way = False
        """Whether a piece was written that may not have left yet; the application makes the next one meanwhile."""
        self._last: tuple[Any, ...] | None = None

    def serve(self, app: Any) -> None:
        self.run(app)
        self._put(self._last[1] if self._last is not None else None)

    def run(self, application: Any) -> None:
        """As the base does, but a `ConnectionError` of the application's own is an error like any other."""
        try:
            self.setup_environ()
            self.result = application(self.environ, self.start_response)
            self.finish_response()
        except _Gone:
            return
        except BaseException:  # noqa: BLE001  # whatever it is, it is raised where the test sees it
            self.handle_error()

    def _put(self, item: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(self._out.put_nowait, item)
        except RuntimeError:
            self.gone = True  # the loop is closed

    def add_cgi_vars(self) -> None:
        self.environ.update(self._variables)

    def get_stdin(self) -> io.BufferedIOBase:
        return self._stdin

    def get_stderr(self) -> Any:
        return sys.stderr

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """As the base does, but fields from hop to hop pass, as with most servers: a test may want a 407."""
        write = super().start_response(status, [pair for pair in headers if not is_hop_by_hop(pair[0])], exc_info)
        self.headers = self.headers_class(headers)
        return write

    def write(self, data: bytes) -> None:
        if data or self.headers_sent:  # the head waits for the first byte, and may be another until then
            super().write(data)

    def finish_content(self) -> None:
        if self.status is None:
            raise AssertionError("the application returned before start_response()")
        if bodiless(int(self.status[:3])) and not self.headers_sent:
            self.send_headers()
        super().finish_content()

    def send_headers(self) -> None:
        self.cleanup_headers()
        self.headers_sent = True
        assert self.status is not None
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        status, reason = int(self.status[:3]), self.status[4:]
        self._put({"type": "http.response.start", "status": status, "reason": reason, "headers": fields})

    def _write(self, data: bytes) -> None:
        if self._on_its_way:
            self._taken.get()
        if self.gone:
            raise _Gone
        self._put({"type": BODY, "body": data, "more_body": True})
        self._on_its_way = True

    def _flush(self) -> None:
        """Every piece is on its way when it is written (PEP 3333, "Buffering and Streaming")."""

    def log_exception(self, exc_info: Any) -> None:
        self._last = exc_info

    def error_output(self, environ: Any, start_response: Any) -> list[bytes]:
        """The server's own answer says what failed."""
        return []

    def handle_error(self) -> None:
        self.log_exception(sys.exc_info())
