"""The calculator of `calculator.proto`: what grpcio's compiler makes of it, and servicers of all kinds."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

grpc: Any = importlib.import_module("grpc")

pb2: Any
services: Any
pb2, services = grpc.protos_and_services("calculator.proto")

Base: Any = services.CalculatorServicer

Number: Any = pb2.Number
AddRequest: Any = pb2.AddRequest
AddReply: Any = pb2.AddReply


class Plain(Base):  # type: ignore[misc]  # it is made when the test runs
    """Plain methods, as the tutorials have them."""

    def Add(self, request: Any, context: Any) -> Any:
        return AddReply(result=request.a + request.b)

    def Count(self, request: Any, context: Any) -> Iterator[Any]:
        for value in range(request.value):
            yield Number(value=value)

    def Sum(self, request_iterator: Iterator[Any], context: Any) -> Any:
        return Number(value=sum(number.value for number in request_iterator))

    def Double(self, request_iterator: Iterator[Any], context: Any) -> Iterator[Any]:
        for number in request_iterator:
            yield Number(value=2 * number.value)


class Asynchronous(Base):  # type: ignore[misc]  # as above
    """The same as coroutines."""

    async def Add(self, request: Any, context: Any) -> Any:
        return AddReply(result=request.a + request.b)

    async def Count(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for value in range(request.value):
            yield Number(value=value)

    async def Sum(self, request_iterator: AsyncIterator[Any], context: Any) -> Any:
        return Number(value=sum([number.value async for number in request_iterator]))

    async def Double(self, request_iterator: AsyncIterator[Any], context: Any) -> None:
        while (number := await context.read()) is not grpc.aio.EOF:
            await context.write(Number(value=2 * number.value))


def add(server: Any, servicer: Any) -> None:
    server.add(services.add_CalculatorServicer_to_server, servicer)


def numbers(*values: int) -> list[Any]:
    return [Number(value=value) for value in values]
