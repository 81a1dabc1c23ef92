"""`Forwarder`: what a proxy that clients speak to is told: who may, and where it connects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Unpack

from pytest_netmocks import check
from pytest_netmocks.protocols.tunnel.destinations import Destinations
from pytest_netmocks.servers.option import Option
from pytest_netmocks.servers.stream import StreamOptions, StreamServer


class Forwarder(StreamServer):
    """Base of forward proxies, of whatever protocol.

    With `users` (names to passwords) clients log in. It connects to loopback, to `names` (as `netmocks.names` takes
    them) and to the test's names that are in force, elsewhere only with `anywhere=True`.
    """

    fixed: ClassVar[Mapping[str, str]] = {
        "names": "make another server with names=",
        "destinations": "make another server with names= or anywhere=",
    }
    users = Option(check.passwords)

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        names: Mapping[str, object] | None = None,
        anywhere: bool = False,
        tls: bool = False,
        **options: Unpack[StreamOptions],
    ) -> None:
        self._take_options(users=users)
        self.destinations = Destinations(names, anywhere=anywhere)
        """Where it may connect."""
        self.names: dict[str, object] = dict(names or {})
        super().__init__(tls=tls, **options)
