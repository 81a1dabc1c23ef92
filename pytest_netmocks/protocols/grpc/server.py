"""`GrpcServer`: servicers of generated code, rules over calls, health and reflection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Unpack

from pytest_netmocks import check
from pytest_netmocks.encryption.options import TlsOptions
from pytest_netmocks.limits import By, Kind, Limit
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.grpc.desk import GrpcDesk
from pytest_netmocks.protocols.grpc.frames import MAX_MESSAGE
from pytest_netmocks.protocols.grpc.health import Health
from pytest_netmocks.protocols.grpc.records import GrpcCall
from pytest_netmocks.protocols.grpc.rules import GrpcRule, Wanted
from pytest_netmocks.protocols.grpc.session import Calls
from pytest_netmocks.protocols.h2.frames import STREAMS
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.book import Exchanges, RuleBook
from pytest_netmocks.servers.stream import StreamOptions, StreamServer


class GrpcServer(StreamServer):
    """A gRPC server over HTTP/2: rules, then servicers, then UNIMPLEMENTED with the methods that are near.

    `max_message` is the size in bytes above which a client's message gets RESOURCE_EXHAUSTED. With `reflection` it
    answers who asks which services there are. `max_concurrent_streams` is how many calls a connection may have open at
    once; with 0 none comes through. With `tls=True` HTTP/2 is chosen by ALPN.
    """

    scheme = "grpc"
    in_messages = True
    in_frames = True
    secure_scheme: ClassVar[str | None] = "grpcs"
    tls_usual: ClassVar[TlsOptions] = {"alpn": ["h2"]}
    accepts: ClassVar[Mapping[str, check.Accept]] = {
        "max_message": check.kept(check.whole, unit="bytes", minimum=0),
        "reflection": check.flag,
        "max_concurrent_streams": check.kept(check.whole, unit="calls at once", minimum=0),
    }

    def __init__(
        self,
        *,
        max_message: int = MAX_MESSAGE,
        reflection: bool = True,
        max_concurrent_streams: int = STREAMS,
        tls: bool = False,
        **options: Unpack[StreamOptions],
    ) -> None:
        accepted = self._accepted(
            max_message=max_message, reflection=reflection, max_concurrent_streams=max_concurrent_streams
        )
        super().__init__(tls=tls, **options)
        for name, value in accepted.items():
            setattr(self, name, value)

    def _prepare(self) -> None:
        super()._prepare()
        self.desk = GrpcDesk(self)
        """What its calls ask."""
        self._healthy: dict[str, str] = {}
        """Its health when it first started."""

    def _make_exchanges(self) -> Exchanges[GrpcRule]:
        """Each call is one, whatever answers it."""
        return Exchanges(self.desk.rules, GrpcRule(self.desk))

    @property
    def rules(self) -> RuleBook[GrpcRule]:
        """The rules, oldest first."""
        return self.desk.rules

    @property
    def limits(self) -> list[Limit]:
        """The rate limits of all calls."""
        return self.desk.limits

    @property
    def requests(self) -> list[GrpcCall]:
        """Every call so far, oldest first."""
        return super().requests

    @property
    def health(self) -> Health:
        """What services say of themselves to who asks for their health: `server.health["svc"] = "NOT_SERVING"`."""
        return self.desk.health

    @property
    def target(self) -> str:
        """What `grpc.insecure_channel` and `grpc.secure_channel` take, host and port or the path of a UNIX socket."""
        return f"unix:{self.path}" if self.path is not None else self.url.partition("://")[2]

    @property
    def max_message(self) -> int:
        """Bytes above which a client's message gets RESOURCE_EXHAUSTED."""
        return self.desk.max_message

    @max_message.setter
    def max_message(self, size: int) -> None:
        self.desk.max_message = size

    @property
    def max_concurrent_streams(self) -> int:
        """How many calls may be open at once on a new connection; of more the streams are refused."""
        return self.desk.max_streams

    @max_concurrent_streams.setter
    def max_concurrent_streams(self, most: int) -> None:
        self.desk.max_streams = most

    @property
    def reflection(self) -> bool:
        """Whether it answers who asks which services there are."""
        return self.desk.reflects

    @reflection.setter
    def reflection(self, answers: bool) -> None:
        self.desk.reflects = answers

    # What a test says

    def add(self, add_to_server: Callable[[Any, Any], Any], servicer: Any) -> None:
        """Serve with a servicer: `add(calculator_pb2_grpc.add_CalculatorServicer_to_server, Servicer())`.

        What generated code for grpcio has to be called with a server takes this one too. Its methods get a request, or
        an iterator of requests, and a context with the words of `grpc.ServicerContext`. Plain ones run in a thread of
        their own and may block, `async def` ones in the servers' loop, where the context is that of `grpc.aio`. What
        one raises without having set a code fails the test, and the client gets UNKNOWN. Raises `TypeError` for what
        cannot be called.
        """
        if not callable(add_to_server) or isinstance(add_to_server, type):
            raise TypeError(
                f"add_to_server must be a function that generated code has, add_..._to_server, not {add_to_server!r}"
            )
        add_to_server(servicer, self)

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Iterable[Any]) -> None:
        """What generated code calls, as a `grpc.Server` has it. Raises `TypeError` for what are no handlers."""
        self.catch_up()
        self.desk.handlers.add_generic(generic_rpc_handlers, self.author_now())

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        """What generated code calls, as a `grpc.Server` has it. Raises `TypeError` for what are no handlers."""
        self.catch_up()
        self.desk.handlers.add_registered(service_name, method_handlers, self.author_now())

    def when(
        self,
        method: Wanted = None,
        *,
        metadata: Mapping[str, Wanted] | None = None,
        message: Any = None,
        matches: Callable[[GrpcCall], object] | None = None,
    ) -> GrpcRule:
        """Begin a rule for calls of a method, `"/package.Service/Method"`, or of any: `"/package.Service/*"`.

        A compiled pattern may stand for the method. `metadata` is a subset of what has to be there (`None`: not there),
        `message` what the first message has to be: a message of protobuf, bytes, or a mapping of some of its fields;
        `Not` and `AnyOf` may stand for any of them. `matches` is a function of the call, which runs in a thread and may
        block. Raises `TypeError` or `ValueError` that names the argument, also for a method that its service, which has
        been added or described, does not have.
        """
        return self.desk.rules.add(GrpcRule(self.desk, method, metadata, message, matches))

    def limit(self, amount: int, per: float = 1.0, *, kind: Kind = "window", by: By = "client") -> Limit:
        """Let `amount` calls through in `per` seconds, and refuse more with RESOURCE_EXHAUSTED.

        `grpc-retry-pushback-ms` says when to try again. A `"window"` begins with its first call, a `"bucket"` is
        refilled evenly; each client address has its own, or `by="all"` they share one. It is in force until it is
        lifted, by `lift()` or at the end of a `with` block. Raises `TypeError` or `ValueError` that names the argument.
        """
        limit = self.desk.make_limit(amount, per, kind, by)
        self.desk.limits.append(limit)
        return limit

    # What its connections ask

    def _protocol(self, link: Link, connection: Connection) -> asyncio.BaseProtocol:
        return Calls(self.desk, link, connection)

    def _mind_requests(self) -> None:
        self.desk.max_calls = self.max_requests

    def _build_in(self) -> None:
        super()._build_in()
        self._healthy = {**self.health}

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        self.limits.clear()
        self.desk.handlers.forget(lambda author: self._lasts(author, keep=keep))
        self.health.begin_again(self._healthy)


class GrpcsServer(GrpcServer):
    """A gRPC server over TLS."""

    always_secure = True
