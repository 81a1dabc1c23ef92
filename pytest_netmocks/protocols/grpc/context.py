"""`Context`: what a servicer is given besides its request, in the words of `grpc.ServicerContext` and `grpc.aio`'s.

One class has both: what it does is done when the call returns, and what `grpc.aio` awaits can be awaited as well. Calls
from a servicer's thread are done in the loop and waited for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from pytest_netmocks.protocols.grpc.details import apart, status_of
from pytest_netmocks.protocols.grpc.inflow import END
from pytest_netmocks.protocols.grpc.metadata import Given, Metadata, checked
from pytest_netmocks.protocols.grpc.status import CODES, Status

COMPRESSIONS = ("identity", "deflate", "gzip")
"""The names of `grpc.Compression`'s values, at their numbers."""


OK = Status("OK")
NONE = Metadata()


class AbortedError(Exception):
    """What `abort` raises: the call ends with the status that was given."""


class Done:
    """What can be awaited, and is done already."""

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


class Side(Protocol):
    """What a context asks of the call that it is about; all but `run_in_loop` in the loop's thread."""

    @property
    def over(self) -> bool:
        """Whether nothing more can be said."""

    @property
    def metadata(self) -> Metadata:
        """The client's."""

    @property
    def peer(self) -> str:
        """Who calls, as gRPC writes addresses."""

    def run_in_loop(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run it in the servers' loop and wait for it; its result or its exception."""

    def time_remaining(self) -> float | None:
        """Seconds until the client's deadline, `None` without one."""

    async def take(self) -> Any:
        """The next message of the client's, or `END`."""

    def give_up(self) -> None:
        """Break the call off."""

    def peer_certificate(self) -> Mapping[str, Any] | None:
        """The client's certificate, as `ssl.SSLSocket.getpeercert` gives it."""

    def begin_served(self, metadata: Metadata) -> None:
        """Send the head. Raises `ValueError` if it has been sent."""

    async def send(self, message: Any) -> None:
        """Send a message."""


class Context:
    """What is known of a call, and what is said of its end."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._code: Any = None
        self._details = ""
        self._trailing: Given = None
        self._whole: Status | None = None
        self._callbacks: list[Callable[[], object]] = []
        self._done_callbacks: list[Callable[[Any], object]] = []
        self._cancelled = False
        self.compression: str | None = None
        """What messages are to be compressed with; `None` as the server does."""
        self.plain_next = False
        """Whether the next message is not to be compressed."""

    # What is known of the call

    def invocation_metadata(self) -> Metadata:
        """The client's metadata, pairs."""
        return self._side.metadata

    def time_remaining(self) -> float | None:
        """Seconds until the client's deadline, `None` without one."""
        return self._side.time_remaining()

    def is_active(self) -> bool:
        """Whether the call goes on."""
        return not self._side.over

    def cancelled(self) -> bool:
        """Whether the call was broken off."""
        return self._cancelled

    def done(self) -> bool:
        """Whether the call is over."""
        return self._side.over

    def peer(self) -> str:
        """Who calls: `"ipv4:127.0.0.1:50000"`."""
        return self._side.peer

    def peer_identity_key(self) -> str | None:
        """Where `peer_identities` come from in the client's certificate."""
        return next(iter(self._identities()), None)

    def peer_identities(self) -> Sequence[bytes] | None:
        """Whose certificate the client has shown, `None` without one."""
        return next(iter(self._identities().values()), None)

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        """What is known of the client by its certificate."""
        if self._side.peer_certificate() is None:
            return {}
        return {"transport_security_type": [b"ssl"], **self._identities()}

    def _identities(self) -> dict[str, list[bytes]]:
        certificate = self._side.peer_certificate() or {}
        names = [value.encode() for _, value in certificate.get("subjectAltName", ())]
        subject = {key: value for part in certificate.get("subject", ()) for key, value in part}
        found = {"x509_subject_alternative_name": names} if names else {}
        if "commonName" in subject:
            found["x509_common_name"] = [subject["commonName"].encode()]
        return found

    # How it ends

    def set_code(self, code: Any) -> None:
        """The status to end with."""
        status_of(code, "", ())
        self._code = code

    def set_details(self, details: str) -> None:
        """The text that goes with the status."""
        self._details = details.decode() if isinstance(details, bytes) else details

    def code(self) -> Any:
        """What `set_code` was given; as `grpc.aio` has it 0 before that."""
        return 0 if self._code is None else self._code

    def details(self) -> Any:
        """What `set_details` was given, in bytes, as grpcio has it."""
        return self._details.encode()

    def set_trailing_metadata(self, trailing_metadata: Given) -> None:
        """What goes behind the messages."""
        apart("trailing_metadata", trailing_metadata)
        self._trailing = trailing_metadata

    def trailing_metadata(self) -> Given:
        """What `set_trailing_metadata` was given."""
        return self._trailing

    def abort(self, code: Any, details: str = "", trailing_metadata: Given = ()) -> NoReturn:
        """End the call with that status: raises what nobody has to catch. An OK is made an UNKNOWN, as grpcio does."""
        status = status_of(code, details.decode() if isinstance(details, bytes) else details, ())
        if trailing_metadata:
            self.set_trailing_metadata(trailing_metadata)
        self._code, self._details = (CODES[2], "") if status.code == "OK" else (status.code, status.message)
        self._whole = Status(self._code, self._details)
        raise AbortedError(f"{self._code}: {self._details}")

    def abort_with_status(self, status: Any) -> NoReturn:
        """As `abort`, with a `grpc.Status`: that of `grpc_status.rpc_status.to_status`, for example."""
        self.set_trailing_metadata(status.trailing_metadata)
        self.abort(status.code, status.details)

    def cancel(self) -> None:
        """Break the call off."""
        self._side.run_in_loop(self._side.give_up)

    # What is sent

    def send_initial_metadata(self, initial_metadata: Given) -> Done:
        """Send the head of the answer now. Raises `ValueError` if it has been sent."""
        self._side.run_in_loop(self._side.begin_served, checked("initial_metadata", initial_metadata))
        return Done()

    def set_compression(self, compression: Any) -> None:
        """What the messages are compressed with, if the client takes that: `grpc.Compression.Gzip`."""
        number = getattr(compression, "value", compression)
        self.compression = COMPRESSIONS[int(number)]

    def disable_next_message_compression(self) -> None:
        """Let the next message be as it is."""
        self.plain_next = True

    async def write(self, message: Any) -> None:
        """Send a message."""
        await self._side.send(message)

    async def read(self) -> Any:
        """The next message of the client's, or `grpc.aio.EOF`."""
        message = await self._side.take()
        if message is END:
            return getattr(sys.modules.get("grpc.aio"), "EOF", None)
        return message

    # Who is told

    def add_callback(self, callback: Callable[[], object]) -> bool:
        """Call it when the call is over; `False` if it is already."""
        if self._side.over:
            return False
        self._callbacks.append(callback)
        return True

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Call it with the context when the call is over."""
        self._done_callbacks.append(callback)

    # What the call asks

    def ended(self, *, cancelled: bool) -> list[Callable[[], object]]:
        """The call is over; gives what is to be called then."""
        self._cancelled = cancelled
        done = [lambda callback=callback: callback(self) for callback in self._done_callbacks]
        found = [*self._callbacks, *done]
        self._callbacks, self._done_callbacks = [], []
        return found

    @property
    def said(self) -> bool:
        """Whether a code was set that is no OK: what is raised then is no mistake."""
        return self._code is not None and self.status("").code != "OK"

    def status(self, otherwise: str, code: str = "OK") -> Status:
        """The status that was set, or that code; where no text was set, with the other one."""
        if self._code is None and not self._details and self._trailing is None and code == "OK":
            return OK  # by far the most
        _, packed = apart("trailing_metadata", self._trailing)
        named = status_of(code if self._code is None else self._code, "", ()).code
        return Status(named, self._details or ("" if self._whole else otherwise), packed)

    @property
    def trailing(self) -> Metadata:
        """The trailing metadata to send."""
        if self._trailing is None:
            return NONE
        return apart("trailing_metadata", self._trailing)[0]
