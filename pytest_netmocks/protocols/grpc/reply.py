"""`GrpcReply`: what a call is answered with: messages, and the status behind them."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Iterable, Iterator, Mapping
from types import NoneType
from typing import Any, TypedDict, Unpack

from pytest_netmocks import check
from pytest_netmocks.protocols.grpc.details import apart, status_of
from pytest_netmocks.protocols.grpc.frames import CODINGS
from pytest_netmocks.protocols.grpc.metadata import Given, Metadata, Metadatum, checked
from pytest_netmocks.protocols.grpc.methods import Method, encoded
from pytest_netmocks.protocols.grpc.status import CODES, Status
from pytest_netmocks.strict import Strict

PUSHBACK = "grpc-retry-pushback-ms"


class GrpcReplyOptions(TypedDict, total=False):
    """The keyword arguments of a `GrpcReply`."""

    status: Any
    details: str
    error_details: Iterable[Any]
    initial_metadata: Given
    trailing_metadata: Given
    retry_pushback: float | bool | None
    compression: str | None
    interval: float
    raw: bytes | None
    http_status: int | None


class GrpcReply(Strict):
    """An answer: a message or several, and a status.

    `message` is a message of protobuf or bytes; a list, an iterable or an asynchronous iterable of these for methods
    that give a stream, `interval` seconds apart; a text such as `"UNAVAILABLE try again"` is a status and its details.
    `status` is a name, a number, `grpc.StatusCode` or a `google.rpc.Status`, `details` the text with it, and
    `error_details` are messages (`google.rpc.RetryInfo`, say) that are sent as `google.rpc.Status`. `initial_metadata`
    goes before the messages, `trailing_metadata` behind them: mappings or pairs, bytes where the name ends in `-bin`.
    `retry_pushback` are the seconds after which a client is to try again, or `False` for never. `compression` is
    `"gzip"` or `"deflate"`. `raw` bytes stand for the messages with the five bytes before each, however broken;
    `http_status` is what a proxy would say, with no status of gRPC. Raises `TypeError` or `ValueError` that names the
    argument.
    """

    fixed: Mapping[str, str] = dict.fromkeys(  # type: ignore[misc]  # as in the base
        ("messages", "status", "initial_metadata", "trailing_metadata"), "make another"
    )

    def __init__(self, message: Any = None, **options: Unpack[GrpcReplyOptions]) -> None:
        unknown = sorted(options.keys() - GrpcReplyOptions.__annotations__)
        if unknown:
            raise TypeError(
                f"a GrpcReply takes no {unknown[0]!r}{check.nearest(unknown[0], GrpcReplyOptions.__annotations__)}"
            )
        if isinstance(message, str):
            message, options = None, _in_words(message, options)
        self.raw = options.get("raw")
        self.http_status = options.get("http_status")
        self.interval = options.get("interval", 0.0)
        self.compression = options.get("compression")
        check.instance("raw", self.raw, (bytes, NoneType), "bytes")
        check.number("interval", self.interval, unit="seconds between messages", minimum=0)
        if self.http_status is not None:
            check.whole("http_status", self.http_status, unit="a status of HTTP", minimum=200, maximum=599)
        if self.compression is not None:
            check.one_of("compression", self.compression, CODINGS)
        if message is not None and self.raw is not None:
            raise TypeError("raw= stands for the messages: only one of them can be given")
        self.messages = [] if message is None else _several(message)
        """A list where they are all there, else something that is iterated once for each answer."""
        self.initial_metadata = checked("initial_metadata", options.get("initial_metadata"))
        trailing, said = apart("trailing_metadata", options.get("trailing_metadata"))
        status = status_of(options.get("status", "OK"), options.get("details", ""), options.get("error_details", ()))
        self.status = Status(status.code, status.message, status.details or said)
        self.trailing_metadata = Metadata([*trailing, *_pushback(options.get("retry_pushback"))])
        self.encoded: tuple[bytes, ...] | None = None
        """The bytes of the messages, where they are all there."""

    def fit(self, method: Method | None) -> None:
        """Make the bytes of the messages that are there, as that method sends them. Raises as the constructor."""
        if isinstance(self.messages, list):
            name = "reply" if len(self.messages) == 1 else "each reply"
            self.encoded = tuple(encoded(name, message, method) for message in self.messages)
            if self.raw is None and self.http_status is None:
                refuse_number(len(self.encoded), self.status, method)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status.code}>"


def refuse_number(count: int, status: Status, method: Method | None) -> None:
    """Refuse as many messages as the method cannot give. Raises `ValueError`."""
    if method is None or method.gives_stream or status.code != "OK":
        return
    if count != 1:
        raise ValueError(f"reply must be one message, which is what {method.path} gives, not {count}")


def _several(message: Any) -> Any:
    if isinstance(message, (bytes, bytearray)) or hasattr(message, "SerializeToString"):
        return [message]
    if isinstance(message, (list, tuple)):
        return list(message)
    if isinstance(message, (Iterator, AsyncIterable)) or inspect.isgenerator(message):
        return message
    if isinstance(message, Iterable) and not isinstance(message, (Mapping, memoryview)):
        return message
    return [message]


def _in_words(text: str, options: GrpcReplyOptions) -> GrpcReplyOptions:
    """`"UNAVAILABLE try again"` as a status and its details."""
    code, _, details = text.partition(" ")
    if "status" in options or (details and "details" in options):
        raise TypeError(f"{text!r} is a status: status= and details= have no place beside it")
    if code not in CODES:
        raise ValueError(
            f'reply must be a message, or a status such as "UNAVAILABLE try again", not {text!r}'
            f"{check.nearest(code, CODES)}"
        )
    return {"details": details, **options, "status": code}


def _pushback(value: Any) -> list[Metadatum]:
    """What says when to try again (gRFC A6, "Pushback"): milliseconds, or what is no such number for never."""
    if value is None or value is True:
        if value is True:
            raise TypeError("retry_pushback must be a number of seconds, or False for never, not True")
        return []
    if value is False:
        return [Metadatum(PUSHBACK, "-1")]
    check.number("retry_pushback", value, unit="seconds, or False for never", minimum=0, maximum=2**31 / 1000 - 1)
    return [Metadatum(PUSHBACK, str(round(value * 1000)))]
