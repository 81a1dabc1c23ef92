"""Applications that are hosted: ASGI by its specification (version 3), WSGI by the standard library's handler."""

from __future__ import annotations

import asyncio
import inspect
import io
import queue
import sys
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from wsgiref.handlers import BaseHandler

from pytest_netmocks.servers.http.messages import HttpRequest, SentResponse
from pytest_netmocks.servers.http.mounts import Mount
from pytest_netmocks.servers.http.prepare import bodiless, date, encoded
from pytest_netmocks.servers.http.response import REASONS
from pytest_netmocks.servers.http.sender import put_on_record
from pytest_netmocks.servers.stream import Exchange

if TYPE_CHECKING:
    from pytest_netmocks.servers.http.protocol import HttpProtocol
    from pytest_netmocks.servers.http.server import HttpServer

STARTING = 30.0
"""Seconds that an application's start-up may take."""


def is_asgi(app: object) -> bool:
    """Whether it is an ASGI application, or else a WSGI one. Raises `TypeError` for what is neither."""
    if not callable(app):
        raise TypeError(f"app must be a WSGI or ASGI application, not {app!r}")
    called: Any = app if inspect.isroutine(app) or inspect.isclass(app) else type(app).__call__
    if inspect.iscoroutinefunction(called):
        return True
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    if len(required) not in (2, 3) and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise TypeError(f"app must take (environ, start_response) or (scope, receive, send), not {app!r}")
    return len(required) == 3


class AsgiMount(Mount):
    """An application under a path; a WSGI one is given an ASGI face."""

    def __init__(self, server: HttpServer, at: str, app: Any, *, asgi: bool) -> None:
        super().__init__(at)
        self._server = server
        self._app = app if asgi else WsgiApp(app)
        self._asgi = asgi
        self._events: asyncio.Queue[dict[str, Any]] | None = None
        self._state: dict[str, Any] = {}

    # Lifespan

    def begin(self) -> None:
        """Run the application's start-up; one that knows no lifespan has none."""
        if not self._asgi:
            return
        ready = threading.Event()
        problem: list[BaseException] = []

        def start() -> None:
            self._events = asyncio.Queue()
            self._events.put_nowait({"type": "lifespan.startup"})
            self._server.tasks.start(self._live(ready, problem), None)

        if self._server.in_loop:
            raise RuntimeError(
                "mount() waits for the application's start-up: call it from the test, not from a handler"
            )
        self._server.run_in_loop(start)
        if not ready.wait(STARTING):
            raise TimeoutError(f"app: the start-up of {self._app!r} took more than {STARTING:g} seconds")
        if problem:
            raise problem[0]

    async def _live(self, ready: threading.Event, problem: list[BaseException]) -> None:
        events = self._events
        assert events is not None

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "lifespan.startup.failed":
                problem.append(RuntimeError(f"app: its start-up failed: {message.get('message', '')}"))
            ready.set()

        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        try:
            await self._app(scope, events.get, send)
        except Exception:  # by the specification this means that it knows no lifespan
            if ready.is_set():
                raise
        finally:
            ready.set()

    def end(self) -> None:
        if self._events is not None:
            self._events.put_nowait({"type": "lifespan.shutdown"})

    # Requests

    async def serve(self, protocol: HttpProtocol, request: HttpRequest, exchange: Exchange) -> None:
        call = _Call(protocol, request, exchange)
        try:
            await self._app(self._scope(protocol, request), call.receive, call.send)
            if not call.complete:
                raise RuntimeError(f"app: {self._app!r} gave no whole answer to {request.method} {request.target}")
        except Exception as error:  # noqa: BLE001  # the test fails, the client gets a 500 or the end
            if not protocol.over or call.complete:
                protocol.journal.failed(request.connection.id, error)
            if call.begun:
                protocol.done(going=False)
            else:
                await protocol.respond(exchange, request, protocol.server.failed(error))
            return
        protocol.done(going=call.keep)

    def _scope(self, protocol: HttpProtocol, request: HttpRequest) -> dict[str, Any]:
        raw = request.target.partition("?")[0]
        client = request.connection.client_address
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.http_version,
            "method": request.method,
            "scheme": protocol.server.scheme,
            "path": request.path,
            "raw_path": raw.encode("latin-1"),
            "query_string": request.query_string.encode("latin-1"),
            "root_path": self.at,
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.pairs
            ],
            "client": (str(client[0]), int(client[1])),
            "server": protocol.server.address,
            "state": self._state.copy(),
            "extensions": {},
        }


class _Call:
    """One request to the application: what it receives and what it sends."""

    def __init__(self, protocol: HttpProtocol, request: HttpRequest, exchange: Exchange) -> None:
        self._protocol = protocol
        self._request = request
        self._exchange = exchange
        self._given = False
        self._chunked = False
        self._start: dict[str, Any] | None = None
        self._sent: SentResponse | None = None
        self._ended = protocol.watcher = asyncio.Event()
        self.begun = False
        self.keep = protocol.keep

    @property
    def complete(self) -> bool:
        """Whether the answer is out, or nobody is there to get it."""
        return self._ended.is_set()

    async def receive(self) -> dict[str, Any]:
        if not self._given:
            self._given = True
            return {"type": "http.request", "body": self._request.body, "more_body": False}
        await self._ended.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        elif message["type"] == "http.response.body":
            await self._body(message.get("body", b""), more=bool(message.get("more_body", False)))

    async def _body(self, body: bytes, *, more: bool) -> None:
        if self.complete or self._protocol.over:
            return
        if self._start is None:
            raise RuntimeError("app: it sent a body before http.response.start")
        silent = self._request.method == "HEAD" or bodiless(self._start["status"])
        data = b"" if silent else bytes(body)
        if not self.begun:
            head = self._head(len(bytes(body)), more=more)
            if not more:
                self._record(data)
                self._exchange.answer(head, data)
                self._ended.set()
                return
            self._record(b"")
            self._exchange.begin(head)
        if data:
            assert self._sent is not None
            self._sent.body += data[: max(0, self._protocol.journal.record_limit - len(self._sent.body))]
            if self._chunked:
                self._exchange.piece(b"%x\r\n" % len(data), data, b"\r\n")
            else:
                self._exchange.piece(b"", data, b"")
            await self._protocol.drain()
        if not more:
            self._exchange.end(b"0\r\n\r\n" if self._chunked and not silent else b"")
            self._ended.set()

    def _record(self, body: bytes) -> None:
        assert self._start is not None
        fields = [(name, value) for name, value in self._start.get("headers", ())]
        self._sent = SentResponse(self._start["status"], fields, body)
        put_on_record(self._protocol, self._request, self._sent)

    def _head(self, size: int, *, more: bool) -> bytes:
        assert self._start is not None
        self.begun = True
        status = self._start["status"]
        fields = list(self._start.get("headers", ()))
        names = {bytes(name).lower() for name, _ in fields}
        if b"content-length" not in names and b"transfer-encoding" not in names and not bodiless(status):
            if not more:
                fields.append((b"content-length", str(size).encode()))
            elif self._request.http_version == "1.0":
                self.keep = False
            else:
                self._chunked = True
                fields.append((b"transfer-encoding", b"chunked"))
        for name, value in fields:
            if bytes(name).lower() == b"connection" and b"close" in bytes(value).lower():
                self.keep = False
        if b"connection" not in names:
            if not self.keep:
                fields.append((b"connection", b"close"))
            elif self._request.http_version == "1.0":
                fields.append((b"connection", b"keep-alive"))
        line = f"HTTP/1.1 {status} {REASONS.get(status, '')}\r\n".encode()
        return line + encoded(fields) + (b"" if b"date" in names else date()) + b"\r\n"


class WsgiApp:
    """A WSGI application with an ASGI face; it runs in a thread of its own for each request and may block."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app

    def __repr__(self) -> str:
        return repr(self._app)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        message = await receive()
        loop = asyncio.get_running_loop()
        out: asyncio.Queue[dict[str, Any] | BaseException | None] = asyncio.Queue()
        taken: queue.Queue[None] = queue.Queue()
        handler = _Handler(_environ(scope, message["body"]), message["body"], loop, out, taken)
        threading.Thread(target=handler.serve, args=(self._app,), name="netmocks user code", daemon=True).start()
        try:
            while (item := await out.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                await send(item)
                taken.put(None)
        finally:
            handler.gone = True
            taken.put(None)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _environ(scope: dict[str, Any], body: bytes) -> dict[str, Any]:
    """The variables of PEP 3333."""
    path = unquote_to_bytes(scope["raw_path"]).decode("latin-1")
    root = scope["root_path"]
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root,
        "PATH_INFO": path.removeprefix(root),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": str(scope["server"][1]),
        "REMOTE_ADDR": scope["client"][0],
        "REMOTE_PORT": str(scope["client"][1]),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": scope["scheme"],
    }
    for raw, value in scope["headers"]:
        name = raw.decode("latin-1").upper().replace("-", "_")
        if name == "CONTENT_TYPE":
            environ[name] = value.decode("latin-1")
        elif name != "CONTENT_LENGTH":
            key = f"HTTP_{name}"
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

    def __init__(
        self,
        environ: dict[str, Any],
        body: bytes,
        loop: asyncio.AbstractEventLoop,
        out: asyncio.Queue[Any],
        taken: queue.Queue[None],
    ) -> None:
        super().__init__()
        self._variables = environ
        self._stdin = io.BytesIO(body)
        self._loop = loop
        self._out = out
        self._taken = taken
        self.gone = False
        self._last: tuple[Any, ...] | None = None

    def serve(self, app: Any) -> None:
        self.run(app)
        self._put(self._last[1] if self._last is not None else None)

    def _put(self, item: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(self._out.put_nowait, item)
        except RuntimeError:
            self.gone = True  # the loop is closed

    def add_cgi_vars(self) -> None:
        self.environ.update(self._variables)

    def get_stdin(self) -> io.BytesIO:
        return self._stdin

    def get_stderr(self) -> Any:
        return sys.stderr

    def send_headers(self) -> None:
        self.cleanup_headers()
        self.headers_sent = True
        assert self.status is not None
        fields = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        self._put({"type": "http.response.start", "status": int(self.status[:3]), "headers": fields})
        self._taken.get()

    def _write(self, data: bytes) -> None:
        if self.gone:
            raise ConnectionAbortedError("the client has gone")
        self._put({"type": "http.response.body", "body": data, "more_body": True})
        self._taken.get()

    def _flush(self) -> None:
        """Every piece is on its way when it is written."""

    def log_exception(self, exc_info: Any) -> None:
        self._last = exc_info

    def error_output(self, environ: Any, start_response: Any) -> list[bytes]:
        """The server's own answer says what failed."""
        return []

    def handle_error(self) -> None:
        self.log_exception(sys.exc_info())
