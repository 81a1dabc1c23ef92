"""Applications that are hosted: which kind they are, their lifespan, and a request handed to one."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

from pytest_netmocks.protocols.http.asgi import Call, extensions
from pytest_netmocks.protocols.http.mounts import Mount
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import failed
from pytest_netmocks.protocols.web.sender import respond
from pytest_netmocks.protocols.web.targets import origin_form
from pytest_netmocks.protocols.web.turn import RequestTurn
from pytest_netmocks.records.addresses import is_unix
from pytest_netmocks.servers.stream import StreamServer
from pytest_netmocks.servers.tasks import Tasks

STARTING = 30.0
"""Seconds that an application's start-up may take."""

ENDING = 5.0
"""Seconds that an application's shutdown may take."""


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


def _with_face(app: Any) -> Any:
    """A WSGI application as an ASGI one."""
    from pytest_netmocks.protocols.http.wsgi import WsgiApp  # only where there is one

    return WsgiApp(app)


class AsgiMount(Mount):
    """An application under a path; a WSGI one is given an ASGI face."""

    streams = True

    def __init__(self, server: StreamServer, at: str, app: Any, *, asgi: bool) -> None:
        super().__init__(at)
        self._server = server
        self._app = app if asgi else _with_face(app)
        self._asgi = asgi
        # Not among the server's own tasks: an application outlives a stop().
        self._lifespan = Tasks(server.journal)
        self._over = threading.Event()
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
            self._lifespan.start(self._live(ready, problem), None)

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
            elif message["type"] == "lifespan.shutdown.failed":
                error = RuntimeError(f"app: its shutdown failed: {message.get('message', '')}")
                self._server.journal.failed(None, error)
            ready.set()

        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self._state}
        try:
            await self._app(scope, events.get, send)
        except Exception:  # by the specification this means that it knows no lifespan
            if ready.is_set() and not problem:
                raise
        finally:
            ready.set()
            self._over.set()

    def end(self) -> None:
        if self._events is None or self._over.is_set():
            return
        self._server.run_in_loop(self._events.put_nowait, {"type": "lifespan.shutdown"})
        if self._server.in_loop:
            return  # who waits here holds up the application
        if not self._over.wait(ENDING):
            error = TimeoutError(f"app: the shutdown of {self._app!r} took more than {ENDING:g} seconds")
            self._server.journal.failed(None, error)
            self._server.run_in_loop(self._lifespan.cancel)

    # Requests

    async def serve(self, turn: RequestTurn) -> None:
        request = turn.request
        call = Call(turn)
        try:
            known = {} if self._asgi else {"at_hand": call.at_hand}
            await self._app(self._scope(request), call.receive, call.send, **known)
            if not call.complete and not call.left:
                raise RuntimeError(f"app: {self._app!r} gave no whole answer to {request.method} {request.target}")
        except Exception as error:  # noqa: BLE001  # the test fails, the client gets a 500 or the end
            if call.complete or not call.left:
                turn.fail(error)
            if not call.begun and not call.left:
                await respond(turn, failed(error))
                return
        if not call.complete:
            turn.done(going=False)

    def _scope(self, request: HttpRequest) -> dict[str, Any]:
        raw = origin_form(request.target).partition("?")[0]
        client = request.connection.client_address
        path = self._server.path
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": request.http_version,
            "method": request.method,
            "scheme": self._server.scheme,
            "path": request.path,
            "raw_path": raw.encode("latin-1"),
            "query_string": request.query_string.encode("latin-1"),
            "root_path": self.at,
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.pairs
            ],
            "client": None if is_unix(client) else (str(client[0]), int(client[1])),
            "server": self._server.address if path is None else (path, None),
            "state": self._state.copy(),
            "extensions": extensions(request),
            **({} if self._asgi else {"target": request.target}),
        }
