"""`RpcEndpoint`: calls that come by POST to a path, and the record of them."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from typing import Any, ClassVar

from pytest_netmocks import usercode
from pytest_netmocks.protocols.http.mounts import Mount
from pytest_netmocks.protocols.rpc.methods import Function, Methods, functions
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.protocols.web.sender import respond
from pytest_netmocks.protocols.web.turn import RequestTurn
from pytest_netmocks.strict import Strict


@dataclasses.dataclass(slots=True)
class RpcCall:
    """One call, as it came: of a batch each is one."""

    request: HttpRequest
    """The request that it came in."""
    method: str
    """The name of the function that is called."""
    params: tuple[Any, ...] = ()
    """The arguments that have no names."""
    named: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The arguments that have names; XML-RPC has none."""
    result: Any = None
    """What the function gave."""
    error: Exception | None = None
    """What was answered in place of a result: an `xmlrpc.client.Fault` or a `JsonRpcError`."""

    def __str__(self) -> str:
        """The call as it would be written in Python."""
        given = [*map(repr, self.params), *(f"{name}={value!r}" for name, value in self.named.items())]
        return f"{self.method}({', '.join(given)})"


class RpcEndpoint(Strict, Mount):
    """Answers calls; rules of the server come before it, and faults strike its answers as those of rules."""

    content_type: ClassVar[str]

    def __init__(self, methods: Methods, at: str) -> None:
        super().__init__(at)
        self._functions = functions(methods)
        self.calls: list[RpcCall] = []
        """The calls so far, oldest first."""

    def find(self, name: str) -> Function | None:
        """The function of that name."""
        try:
            return self._functions[name]
        except KeyError:
            return None

    def begin_again(self) -> None:
        self.calls.clear()

    def names(self) -> list[str]:
        """The names of all functions."""
        return sorted(self._functions)

    async def serve(self, turn: RequestTurn) -> None:
        await respond(turn, await self._response(turn.request))

    async def _response(self, request: HttpRequest) -> Response:
        if request.method != "POST":
            return Response(405, text="calls come by POST\n", headers={"Allow": "POST"})

        def read() -> Any:
            return self.read(request.decoded)

        try:
            asked = await usercode.in_a_thread(read) if request.is_heavy else read()
        except ValueError as error:
            return Response(400, text=f"{error}\n")
        answer = await self.answer(request, asked)
        if answer is None:
            return Response(204)
        return Response(200, body=answer, content_type=self.content_type)

    @abstractmethod
    def read(self, body: bytes) -> Any:
        """What is asked, or what is wrong with it; in any thread."""

    @abstractmethod
    async def answer(self, request: HttpRequest, asked: Any) -> bytes | None:
        """The answer to what was read; `None` where none is due."""
