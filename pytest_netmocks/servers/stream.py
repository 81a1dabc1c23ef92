"""`StreamServer`: the base of everything that speaks over TCP, and what it is told about TLS."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, cast
from urllib.parse import quote

from pytest_netmocks import check
from pytest_netmocks.encryption.options import TlsOptions
from pytest_netmocks.faults.base import AnswerFault
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.link import Link, Top
from pytest_netmocks.link.tap import Ear
from pytest_netmocks.link.wire import Wire
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Direction
from pytest_netmocks.servers.encrypted import Encrypted
from pytest_netmocks.servers.front import Front
from pytest_netmocks.servers.limited import Limited, LimitOptions
from pytest_netmocks.servers.parts import line_ends
from pytest_netmocks.servers.server import ServerOptions
from pytest_netmocks.servers.stack import Place, Stack
from pytest_netmocks.servers.stream_front import StreamFront

if TYPE_CHECKING:
    from pytest_netmocks.encryption.settings import Contexts


class ListeningOptions(ServerOptions, TlsOptions, LimitOptions, total=False):
    """The keyword arguments that every server over TCP takes besides `tls`, a proxy too."""

    path: str | os.PathLike[str] | None


class StreamOptions(ListeningOptions, total=False):
    """Those of the servers that are no proxies."""

    proxy_protocol: bool


COMMON = ServerOptions.__annotations__.keys()
"""The options that are not about the stream."""


class StreamServer(Encrypted, Limited):
    """Base of the servers over TCP; a subclass says which protocol stands on a link.

    `tls` puts TLS under it from the first byte. Then `certificate` is what `tls_ca.issue()` gives (several: the
    client's SNI chooses, the first is shown to the others), `client_cert` `"required"` or `"optional"`,
    `min_version` and `max_version` are `"TLSv1"` to `"TLSv1.3"`, `alpn` is a list of protocols in the order of
    preference, `ciphers` a list in OpenSSL's notation (TLS 1.2 and older), `tickets=False` lets no session be
    resumed, `key_log` is the path of a key log (NSS format) for captures, and `dh_params` that of parameters for
    Diffie-Hellman over a finite field (PEM), without which no such cipher is offered.

    `path` is that of a UNIX socket to listen on in place of a port: its file is made with mode 0600 and removed at the
    end, and `address` is the path. What is there already is left alone, and an `OSError`.

    With `proxy_protocol=True` each connection has to begin with a PROXY header (HAProxy's proxy-protocol.txt, version 1
    or 2), before TLS too: its client is who the header says. One that does not within 5 seconds is reset.

    Who may connect, and how long, is said by attributes, which are keyword arguments too: `allow`, `deny`,
    `max_connections`, `over_limit`, `idle_timeout`, `max_requests` and, where clients log in, `ban_after`. They hold
    from when they are set on, open connections included.
    """

    secure_scheme: ClassVar[str | None] = None
    """The scheme of its URL with TLS."""

    always_secure: ClassVar[bool] = False
    """Whether TLS is what makes it this kind of server."""

    tls_usual: ClassVar[TlsOptions] = {}
    """What TLS is like where it is not said otherwise."""

    may_upgrade: ClassVar[bool] = False
    """Whether a connection can begin in plain text and go on with TLS (STARTTLS)."""

    in_messages: ClassVar[bool] = False
    """Whether what it sends is made of messages, which `after_messages` counts."""

    in_frames: ClassVar[bool] = False
    """Whether connections may speak HTTP/2, and have the faults of its frames."""

    _contexts: Contexts | None = None

    _path: str | None = None
    _introduced = False

    def __init__(self, *, tls: bool | str = False, **options: Unpack[StreamOptions]) -> None:
        self._secure = self._from_the_start(tls) or self.always_secure
        given: dict[str, Any] = {}
        limits: dict[str, Any] = {}
        if not options.keys() <= COMMON:  # most have a name at most
            given = {name: options.pop(name) for name in TlsOptions.__annotations__ if name in options}  # type: ignore[misc]  # the names of its keys
            limits = self._limits_in(cast("dict[str, Any]", options))
            self._listen_so(options)
        if self._secure or self.may_upgrade:
            from pytest_netmocks.encryption import authority, settings  # no other server needs them

            said = {**self.tls_usual, **given}
            wanted = settings.read(cast("TlsOptions", said)) if said else settings.USUAL
            host = options.get("host", "127.0.0.1")
            check.instance("host", host, str, "a host name or address")
            self._contexts = wanted.contexts(authority.shared(), host)
            self._tls = wanted
        elif given:
            raise ValueError(f"{next(iter(given))}= is about TLS, and there is none: give tls=True with it")
        self.schemes: tuple[str, str] = self.scheme, self.secure_scheme or self.scheme
        """The schemes of its URL without TLS and with it."""
        if self._secure:
            self.scheme = self.schemes[1]
        super().__init__(**options)
        for name, value in limits.items():
            setattr(self, name, value)

    @classmethod
    def _option_names(cls) -> set[str]:
        return super()._option_names() | set(StreamOptions.__annotations__)

    def _from_the_start(self, tls: object) -> bool:
        """Whether the connection begins with TLS."""
        check.instance("tls", tls, bool, "True or False")
        return bool(tls)

    def _listen_so(self, options: StreamOptions) -> None:
        """Take what is said of the place, and of what comes first there."""
        self._introduced = check.flag("proxy_protocol", options.pop("proxy_protocol", False))
        path = options.pop("path", None)
        if path is not None:
            self._path = self._check_path(path, options)
            options["host"] = "localhost"  # for certificates and greetings

    def _check_path(self, path: object, options: StreamOptions) -> str:
        from pytest_netmocks.link.unix import check_path  # only where there is one

        if refused := self._refusal_of_path():
            raise ValueError(f"path={path!r}: {refused}")
        for name in ("host", "port"):
            if name in options:
                raise ValueError(f"path= and {name}= exclude each other: it is either a UNIX socket or a port")
        return check_path("path", path)

    def _refusal_of_path(self) -> str | None:
        """Why it cannot listen on a UNIX socket; `None` if it can."""
        return None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, as `socket.connect` takes them; of a server on a UNIX socket its path, a string."""
        if self._path is not None:
            return self._path  # type: ignore[return-value]  # a union would have to be taken apart at every other server
        return super().address

    @property
    def path(self) -> str | None:
        """The path of the UNIX socket that it listens on, `None` where it has a port."""
        return self._path

    @property
    def url(self) -> str:
        """The address as a URL, without a slash at the end.

        That of a UNIX socket has `+unix` in its scheme, and the path percent-encoded in place of host and port.
        """
        if self._path is None:
            return super().url
        return f"{self.scheme}+unix://{quote(self._path, safe='')}"

    def _prepare(self) -> None:
        super()._prepare()
        self.front = self._make_front()
        """Where its connections come in."""

    def _make_front(self) -> StreamFront:
        front = StreamFront(self, self._injections, self._protocol, self._connection, self.arm_on)
        if self._contexts is not None:
            front.contexts, front.secure = self._contexts, self._secure
        if self.in_messages:
            front.in_messages = True
        if self.in_frames:
            front.in_frames = True
        if self._path is not None:
            front.path = self._path
        if self._introduced:
            front.introduced = True
        return front

    def listen_in(self, ear: Callable[[Connection], Ear], place: Place = "wire") -> None:
        """Let somebody hear what passes on every new connection: `ear` is called with it and gives who hears.

        On the `"wire"` that is what really passes, cipher text and the work of all faults included; below the
        `"application"`'s faults it is plain text, as those let it through.
        """
        self.front.taps += ((place, ear),)

    @abstractmethod
    def _protocol(self, link: Link, connection: Connection) -> Top:
        """What stands on a new connection's link."""

    def _connection(self, number: int, address: Address) -> Connection:
        """The record of a new connection."""
        return Connection(number, address, self.journal.now())

    def parts(self, connection: Connection, direction: Direction, data: bytes) -> Iterable[int]:
        """Where the protocol's own parts begin in what has passed on a connection that way, for sweeps: its lines.

        `data` is what passed since the sweep's run began, the first MiB of it.
        """
        return line_ends(data)

    @property
    def fronts(self) -> tuple[Front, ...]:
        """What clients reach it by."""
        return (self.front,)

    def arm_on(self, stack: Stack, injection: Injection) -> None:
        """In the loop: let it strike that connection."""
        if isinstance(injection.fault, AnswerFault):
            self.strike_exchanges(injection, stack.connection)
        else:
            stack.arm(injection)

    def keep_wire(self, wire: Wire) -> Wire:
        """In the loop: know the wire until it is closed: the server's end is its end."""
        return self.front.keep_wire(wire)
