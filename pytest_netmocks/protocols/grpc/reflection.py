"""Reflection (grpc.reflection v1 and v1alpha): which services there are, and what describes them.

Descriptions are those of the generated modules that are loaded; without protobuf there are names alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from typing import Any

from pytest_netmocks.protocols.grpc import wire
from pytest_netmocks.protocols.grpc.methods import Method, pool
from pytest_netmocks.protocols.grpc.status import CODES, CallError

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")

# Fields of ServerReflectionRequest and ServerReflectionResponse (reflection.proto).
_BY_FILENAME, _BY_SYMBOL, _BY_EXTENSION, _EXTENSION_NUMBERS, _LIST = 3, 4, 5, 6, 7
_FILES, _NUMBERS, _NAMES, _ERROR = 4, 5, 6, 7


class Reflection:
    """Answers who asks; `services` gives the names of those that there are."""

    def __init__(self, services: Callable[[], Iterable[str]]) -> None:
        self._services = services

    @property
    def methods(self) -> dict[str, Method]:
        """The methods by their paths."""
        paths = [f"/{service}/ServerReflectionInfo" for service in SERVICES]
        return {path: Method(path, True, True, serve=self._info) for path in paths}

    async def _info(self, requests: AsyncIterable[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield self.answer(request)

    def answer(self, request: bytes) -> bytes:
        """The answer to one question. Raises `CallError` for what is none."""
        try:
            asked = list(wire.fields(request))
            host = next((value for number, value in asked if number == 1), b"")
            number, value = next(((n, v) for n, v in reversed(asked) if n >= _BY_FILENAME), (0, b""))
            text = value.decode() if isinstance(value, bytes) and number in (3, 4, 6, 7) else ""
            said = self._said(number, value, text)
        except ValueError as error:
            raise CallError("INVALID_ARGUMENT", f"the question is none: {error}") from None
        return wire.field(1, host) + wire.field(2, request) + said

    def _said(self, number: int, value: wire.Field, text: str) -> bytes:
        if number == _LIST:
            names = b"".join(wire.field(1, wire.field(1, name)) for name in self._services())
            return wire.field(_NAMES, names)
        known = pool()
        try:
            if known is None:
                raise KeyError(text)
            if number == _BY_FILENAME:
                return _files(known.FindFileByName(text))
            if number == _BY_SYMBOL:
                return _files(known.FindFileContainingSymbol(text))
            if number == _BY_EXTENSION and isinstance(value, bytes):
                parts = dict(wire.fields(value))
                kind, place = parts.get(1, b""), parts.get(2, 0)
                text = kind.decode() if isinstance(kind, bytes) else ""
                found = known.FindExtensionByNumber(known.FindMessageTypeByName(text), place)
                return _files(found.file)
            if number == _EXTENSION_NUMBERS:
                described = known.FindMessageTypeByName(text)
                numbers = b"".join(wire.field(2, one.number) for one in known.FindAllExtensions(described))
                return wire.field(_NUMBERS, wire.field(1, text) + numbers)
        except KeyError:
            return _error("NOT_FOUND", f"{text!r} is not known here")
        return _error("INVALID_ARGUMENT", "the question is none")


def _files(described: Any) -> bytes:
    """The description of a file, and of those that it imports, as grpcio's own gives them."""
    found: dict[str, bytes] = {}

    def add(file: Any) -> None:
        if file.name not in found:
            found[file.name] = file.serialized_pb
            for needed in file.dependencies:
                add(needed)

    add(described)
    return wire.field(_FILES, b"".join(wire.field(1, data) for data in found.values()))


def _error(code: str, message: str) -> bytes:
    return wire.field(_ERROR, wire.field(1, CODES.index(code)) + wire.field(2, message))
