"""`Served`: a servicer's method at work on a call; plain ones run in a thread of their own, coroutines in the loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pytest_netmocks.protocols.grpc.answer import Answer
from pytest_netmocks.protocols.grpc.context import AbortedError, Context
from pytest_netmocks.protocols.grpc.heads import in_words, peer
from pytest_netmocks.protocols.grpc.inflow import Inflow, Messages
from pytest_netmocks.protocols.grpc.metadata import Metadata
from pytest_netmocks.protocols.grpc.methods import Method, encoded
from pytest_netmocks.protocols.grpc.records import GrpcCall
from pytest_netmocks.protocols.grpc.status import CallError
from pytest_netmocks.usercode import in_a_thread, in_the_loop

_MESSAGE = "what a servicer gives"


class Served:
    """One call that a servicer answers: what its context asks. All but `run_in_loop` in the loop's thread."""

    def __init__(
        self,
        call: GrpcCall,
        answer: Answer,
        inflow: Inflow,
        method: Method,
        time_remaining: Callable[[], float | None],
        run_in_loop: Callable[..., Any],
    ) -> None:
        self._call = call
        self._answer = answer
        self._method = method
        self._inflow = inflow
        self._time_remaining = time_remaining
        self._run_in_loop = run_in_loop
        self._request: Any = Messages(inflow) if method.takes_stream else call.messages[0]
        self.context = Context(self)

    async def run(self) -> None:
        """Have the method answer. Raises what it raises, unless it has set a code before."""
        answer, context = self._answer, self.context
        try:
            serve = self._method.serve
            assert serve is not None, "only methods of servicers are asked"
            made = await (serve(self._request, context) if self._method.is_coroutine else self._made(serve))
            if not answer.over:
                self._end(made)
        except AbortedError:
            answer.finish(context.status(""), context.trailing)
        except CallError as error:
            answer.finish(error.status, context.trailing)
        except Exception as error:
            if answer.over or not context.said:
                raise
            answer.finish(context.status(in_words(error)), context.trailing)
        finally:
            del self.context  # it holds this one

    async def _made(self, function: Callable[..., Any]) -> Any:
        """The method's message, `None` where it sends them one by one."""
        if inspect.isasyncgenfunction(function):
            made: Any = function(self._request, self.context)
        else:
            made = await in_a_thread(self._in_its_thread, function, asyncio.get_running_loop())
        if inspect.isawaitable(made):
            made = await made
        if not hasattr(made, "__aiter__"):
            return made
        async for message in made:
            await self.send(message)
        return None

    def _in_its_thread(self, function: Callable[..., Any], loop: asyncio.AbstractEventLoop) -> Any:
        made = function(self._request, self.context)
        if not self._method.gives_stream or made is None or inspect.isawaitable(made) or hasattr(made, "__aiter__"):
            return made
        for message in made:
            if self.over:
                break
            in_the_loop(loop, self.send, message)
        if hasattr(made, "close"):
            made.close()
        return None

    def _end(self, made: Any) -> None:
        answer, context, method = self._answer, self.context, self._method
        status = context.status("")
        if made is None:
            if not method.gives_stream and status.code == "OK":
                raise TypeError(f"{method.path} must give a message, not None")
        elif answer.begun:
            self._put(made)
        else:
            answer.accept(context.compression)
            answer.whole(made, encoded(_MESSAGE, made, method), status, Metadata(), context.trailing)
            return
        answer.finish(status, context.trailing)

    def _put(self, message: Any) -> None:
        data, context = encoded(_MESSAGE, message, self._method), self.context
        if not self._answer.begun:
            self.begin_served(Metadata())
        plain, context.plain_next = context.plain_next, False
        self._answer.message(message, data, plain=plain)

    # What a context asks

    def run_in_loop(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run it in the servers' loop and wait for it; its result or its exception."""
        return self._run_in_loop(function, *arguments)

    def time_remaining(self) -> float | None:
        """Seconds until the client's deadline, `None` without one."""
        return self._time_remaining()

    async def take(self) -> Any:
        """The next message of the client's, or `END`."""
        return await self._inflow.take()

    def give_up(self) -> None:
        """Break the call off."""
        self._answer.give_up()

    @property
    def over(self) -> bool:
        """Whether nothing more can be said."""
        return self._answer.over

    @property
    def metadata(self) -> Metadata:
        """The client's."""
        return self._call.metadata

    @property
    def peer(self) -> str:
        """Who calls, as gRPC writes addresses."""
        return peer(self._call.connection.client_address)

    def peer_certificate(self) -> Mapping[str, Any] | None:
        """The client's certificate."""
        tls = self._call.connection.tls
        return tls.client_cert if tls is not None else None

    def begin_served(self, metadata: Metadata) -> None:
        """Send the head. Raises `ValueError` if it has been sent."""
        if self._answer.begun:
            raise ValueError("initial metadata can be sent once, and before the first message")
        if not self._answer.over:
            self._answer.accept(self.context.compression)
            self._answer.begin(metadata)

    async def send(self, message: Any) -> None:
        """Send a message, and wait until the client has taken most of what was sent."""
        if not self._answer.over:
            self._put(message)
            await self._answer.room()
