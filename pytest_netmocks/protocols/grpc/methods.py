"""What is known of a method: how many messages go either way, and what they are made and read with.

A servicer's handlers say it, in the form that grpcio's generated code gives them; else protobuf knows it of every
generated module that is loaded. grpcio is not imported for it.
"""

from __future__ import annotations

import functools
import importlib
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from pytest_netmocks import check
from pytest_netmocks.usercode import is_coroutine_function

PATH = re.compile(r"/[^/\s]+/[^/\s]+")


class Method(NamedTuple):
    """One method: how many messages it takes and gives, what reads and writes them, what serves it."""

    path: str
    takes_stream: bool
    gives_stream: bool
    read: Callable[[bytes], Any] | None = None
    write: Callable[[Any], bytes] | None = None
    serve: Callable[..., Any] | None = None
    """The servicer's, `None` where protobuf alone knows the method."""
    reply_type: Any = None
    """The class of its answers, where that is known."""
    is_coroutine: bool = False
    """Whether what serves it is an `async def` that gives one message, or sends them by itself."""


class Asked(NamedTuple):
    """What a generic handler is asked about a call, as `grpc.HandlerCallDetails` has it."""

    method: str
    invocation_metadata: Any


class Handlers:
    """The handlers of servicers, as generated code adds them."""

    def __init__(self) -> None:
        self.generic: list[Any] = []
        self._authors: dict[object, str] = {}
        """Who gave each generic handler, by its `id`, and each registered one, by its path."""
        self.registered: dict[str, Any] = {}
        """Handlers by path."""
        self._found: dict[str, Method | None] = {}

    def add_generic(self, handlers: Iterable[Any], author: str = "") -> None:
        """Add what is asked for each call, for that author. Raises `TypeError` for what cannot be."""
        handlers = list(handlers)
        for handler in handlers:
            if not callable(getattr(handler, "service", None)):
                raise TypeError(f"generic_rpc_handlers must have a service() method, as grpc's have, not {handler!r}")
        self.generic += handlers
        self._authors.update({id(handler): author for handler in handlers})
        self._found.clear()

    def add_registered(self, service: str, handlers: Mapping[str, Any], author: str = "") -> None:
        """Add handlers by the names of a service's methods, for that author."""
        check.instance("service_name", service, str, "the name of a service")
        check.instance("method_handlers", handlers, Mapping, "handlers by the names of methods")
        for name, handler in handlers.items():
            if not hasattr(handler, "request_streaming"):
                raise TypeError(f"method_handlers must be handlers as grpc's are, not {handler!r}")
            self.registered[f"/{service}/{name}"] = handler
            self._authors[f"/{service}/{name}"] = author
        self._found.clear()

    def find(self, path: str, metadata: Any = ()) -> Method | None:
        """The method that a servicer has there. A generic handler of a user's may raise."""
        if path in self._found:
            return self._found[path]
        handler = self.registered.get(path)
        if handler is not None:
            self._found[path] = _method(path, handler)
            return self._found[path]
        for generic in self.generic:
            handler = generic.service(Asked(path, metadata))
            if handler is not None:
                return _method(path, handler)
        return None

    def forget(self, stays: Callable[[Any], bool]) -> None:
        """Be without those whose author's do not stay."""
        authors = self._authors
        self.generic = [handler for handler in self.generic if stays(authors[id(handler)])]
        self.registered = {path: handler for path, handler in self.registered.items() if stays(authors[path])}
        self._found.clear()

    @property
    def services(self) -> list[str]:
        """The names of the services that are there."""
        names = {path.split("/")[1] for path in self.registered}
        for generic in self.generic:
            name = getattr(generic, "service_name", None)
            found = name() if callable(name) else None
            if isinstance(found, str):
                names.add(found)
        return sorted(names)


def _method(path: str, handler: Any) -> Method:
    takes, gives = bool(handler.request_streaming), bool(handler.response_streaming)
    serve = getattr(handler, f"{'stream' if takes else 'unary'}_{'stream' if gives else 'unary'}")
    described = of_protobuf(path)
    kind = described.reply_type if described is not None else None
    reads, writes = handler.request_deserializer, handler.response_serializer
    return Method(path, takes, gives, reads, writes, serve, kind, is_coroutine_function(serve))


def pool() -> Any:
    """Where protobuf keeps what generated modules describe; `None` as long as nobody has imported it."""
    module = sys.modules.get("google.protobuf.descriptor_pool")
    return module.Default() if module is not None else None


def service_of_protobuf(name: str) -> Any:
    """The description of a service of a generated module, `None` if no such module is loaded."""
    known = pool()
    try:
        return known.FindServiceByName(name) if known is not None else None
    except KeyError:
        return None


def of_protobuf(path: str) -> Method | None:
    """The method as a generated module describes it; `None` if no such module is loaded."""
    service, _, name = path[1:].partition("/")
    described = service_of_protobuf(service)
    method = described.methods_by_name.get(name) if described is not None else None
    return _described(path, method) if method is not None else None


@functools.lru_cache(256)
def _described(path: str, method: Any) -> Method:
    factory = importlib.import_module("google.protobuf.message_factory")
    request = factory.GetMessageClass(method.input_type)
    reply = factory.GetMessageClass(method.output_type)
    return Method(
        path, method.client_streaming, method.server_streaming, request.FromString, reply.SerializeToString, None, reply
    )


def path_of(name: str, method: object) -> str:
    """The path of a method as calls have it. Raises `TypeError` or `ValueError` that names the argument."""
    accepted = 'a method such as "/package.Service/Method", or "/package.Service/*" for all of a service'
    check.instance(name, method, str, accepted)
    path = str(method)
    path = path if path.startswith("/") else f"/{path}"
    if not PATH.fullmatch(path):
        raise ValueError(f"{name} must be {accepted}, not {method!r}")
    return path


def encoded(name: str, message: Any, method: Method | None) -> bytes:
    """The bytes of a message: bytes as they are, others as the method writes them, or as they write themselves.

    Raises `TypeError` that names the argument for what is no message, or one of another type than the method gives.
    """
    if method is not None and method.reply_type is not None and type(message) is method.reply_type:
        own: bytes = message.SerializeToString()  # by far the most
        return own
    if isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message)
    kind = method.reply_type if method is not None else None
    described = getattr(message, "DESCRIPTOR", None)
    if method is not None and kind is not None and described is not None and described is not kind.DESCRIPTOR:
        raise TypeError(f"{name} must be a {kind.DESCRIPTOR.full_name}, which {method.path} gives, not {message!r}")
    for writer in ("SerializeToString", "__bytes__"):
        write = getattr(message, writer, None)
        if callable(write) and not isinstance(message, type):
            return bytes(write())
    if method is not None and method.write is not None and method.serve is not None:
        try:
            return bytes(method.write(message))
        except Exception as error:
            raise TypeError(f"{name} must be a message, and {method.path} cannot send {message!r}: {error}") from error
    raise TypeError(f"{name} must be a message of protobuf, or bytes, not {message!r}")
