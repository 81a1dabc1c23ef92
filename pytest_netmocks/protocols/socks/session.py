"""One connection of a SOCKS proxy: greeting, login, request, reply; then it is a tunnel."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Protocol

from pytest_netmocks.link.link import Link
from pytest_netmocks.link.wire import Wire
from pytest_netmocks.protocols.proxy.session import Relay
from pytest_netmocks.protocols.socks import messages
from pytest_netmocks.protocols.socks.messages import Wish, WrongError
from pytest_netmocks.protocols.socks.records import SocksRequest
from pytest_netmocks.protocols.socks.rules import COMMANDS, NAMES, REPLIES, SocksRule
from pytest_netmocks.protocols.socks.udp import Association
from pytest_netmocks.protocols.tunnel.destinations import Destinations, ForbiddenError, Found
from pytest_netmocks.protocols.tunnel.way import Way
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.servers.exchange import Exchange
from pytest_netmocks.servers.tasks import Tasks

OPEN, PASSWORD, NONE_FITS = 0, 2, 255
"""Methods (RFC 1928, section 3)."""

REASONS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ENETUNREACH: "network unreachable",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ETIMEDOUT: "TTL expired",
}
"""Why the far end is not reached, in the proxy's words."""


class Desk(Protocol):
    """What a session asks of its server."""

    journal: Journal
    tasks: Tasks
    rules: RuleBook[SocksRule]
    users: dict[str, str]
    destinations: Destinations

    def keep_wire(self, wire: Wire) -> Wire:
        """Know the wire until it is closed."""

    def login_failed(self, connection: Connection) -> None:
        """The client's credentials are wrong."""

    def keep_association(self, association: Association) -> None:
        """Know it until its connection ends."""


class SocksSession(asyncio.Protocol):
    """What is said before the tunnel."""

    def __init__(self, desk: Desk, link: Link, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._desk = desk
        self._link = link
        self._connection = connection
        self._loop = loop
        self._waiting = b""
        self._read: Callable[[], bool] = self._first
        self._user: str | None = None
        self._association: Association | None = None

    # What comes

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        try:
            while self._waiting and self._read():
                pass
        except WrongError as error:
            self._note(f"this is no SOCKS: {error}")
            self._link.close()

    def eof_received(self) -> bool:
        return self._read == self._busy and self._association is None  # else nobody answers any more

    def connection_lost(self, error: Exception | None) -> None:
        if self._association is not None:
            self._association.close()

    def _busy(self) -> bool:
        """What comes before the reply belongs into the tunnel."""
        return False

    def _first(self) -> bool:
        version = self._waiting[0]
        if version not in (4, 5):
            raise WrongError(f"it begins with {self._waiting[:16]!r}")
        self._read = self._wish4 if version == 4 else self._greeting
        return True

    def _greeting(self) -> bool:
        found = messages.greeting(self._waiting)
        if found is None:
            return False
        (methods,), size = found
        self._waiting = self._waiting[size:]
        wanted = [PASSWORD] if self._desk.users else [OPEN, PASSWORD]
        method = next((method for method in wanted if method in methods), NONE_FITS)
        self._link.write(bytes([5, method]))
        if method == NONE_FITS:
            self._note(
                f"of the methods {list(methods)} none fits: {'users log in' if self._desk.users else 'wanted 0'}"
            )
            self._link.close()
            return False
        self._read = self._login if method == PASSWORD else self._wish
        return True

    def _login(self) -> bool:
        found = messages.login(self._waiting)
        if found is None:
            return False
        login, size = found
        self._waiting = self._waiting[size:]
        users = self._desk.users
        fits = not users or (login.user in users and users[login.user] == login.password)
        self._link.write(bytes([1, 0 if fits else 1]))
        if not fits:
            self._desk.login_failed(self._connection)
            self._note(f"login of {login.user!r} refused")
            self._link.close()
            return False
        self._user = login.user
        self._read = self._wish
        return True

    def _wish(self) -> bool:
        return self._asked(messages.wish(self._waiting))

    def _wish4(self) -> bool:
        return self._asked(messages.wish4(self._waiting))

    def _asked(self, found: tuple[Wish, int] | None) -> bool:
        if found is None:
            return False
        wish, size = found
        self._waiting = self._waiting[size:]
        self._read = self._busy
        self._link.pause_reading()
        command = COMMANDS.get(wish.command, f"command {wish.command}")
        user = wish.user if wish.version == 4 else self._user
        at = self._desk.journal.now()
        request = SocksRequest(command, wish.host, wish.port, wish.version, user, self._connection, at)
        self._desk.journal.request(self._connection, request)
        verdict = self._desk.rules.decide(request, self._connection)
        self._desk.tasks.start(self._deal(wish, request, verdict), self._connection.id, failed=self._link.close)
        return False

    # What is answered

    async def _deal(self, wish: Wish, request: SocksRequest, verdict: Verdict[SocksRule]) -> None:
        addresses: Found | None = None
        if verdict.answering is not None:
            given = verdict.take()
            if given.delay:
                await self._link.pause(given.delay)
            if given.raw is not None:
                request.reply = f"{len(given.raw)} raw bytes"
                Exchange(self._link, verdict, request).answer(given.raw, b"")
                self._link.close()
                return
            if given.code is not None:
                self._refuse(request, verdict, given.code)
                return
            addresses = [target.pair for target in given.to]
        if not wish.kind:
            self._refuse(request, verdict, REPLIES["address type not supported"])
        elif request.version == 4 and self._desk.users and request.user not in self._desk.users:
            self._desk.login_failed(self._connection)
            self._refuse(request, verdict, REPLIES["not allowed"])
        elif request.command == "CONNECT":
            await self._connect(request, verdict, addresses)
        elif request.command == "UDP ASSOCIATE" and request.version == 5:
            self._associate(request, verdict)
        else:
            self._refuse(request, verdict, REPLIES["command not supported"])

    async def _connect(self, request: SocksRequest, verdict: Verdict[SocksRule], addresses: Found | None) -> None:
        try:
            found = addresses or await self._desk.destinations.find(request.host, request.port)
        except ForbiddenError as error:
            self._note(str(error))
            name = "not allowed" if error.reason == "not allowed" else "host unreachable"
            self._refuse(request, verdict, REPLIES[name])
            return

        def told(error: OSError | None) -> None:
            if error is None:
                self._grant(request, verdict, relay)
            else:
                self._refuse(request, verdict, REPLIES[REASONS.get(error.errno or 0, "general failure")])

        relay = Relay(
            Way(self._desk.journal, found, told), self._link, self._connection, self._loop, self._desk.keep_wire
        )
        early, self._waiting = self._waiting, b""
        if early:
            relay.data_received(early)
        self._link.begin(lambda: relay)

    def _grant(self, request: SocksRequest, verdict: Verdict[SocksRule], relay: Relay) -> None:
        request.reply = "succeeded"
        made = messages.reply4(granted=True) if request.version == 4 else messages.reply(0)
        Exchange(self._link, verdict, request).open(made, relay.take_early)

    def _refuse(self, request: SocksRequest, verdict: Verdict[SocksRule], code: int) -> None:
        request.reply = NAMES.get(code, f"reply {code}")
        if request.version == 4:
            fits = not self._desk.users or request.user in self._desk.users
            made = messages.reply4(granted=False, user=fits)
        else:
            made = messages.reply(code)
        Exchange(self._link, verdict, request).answer(made, b"")
        self._link.close()

    def _associate(self, request: SocksRequest, verdict: Verdict[SocksRule]) -> None:
        try:
            association = Association(self._connection, self._desk.destinations, self._loop, self._note)
        except OSError as error:
            self._note(f"there is no socket for datagrams: {error}")
            self._refuse(request, verdict, REPLIES["general failure"])
            return
        self._association = association
        self._desk.keep_association(association)
        request.reply = "succeeded"
        Exchange(self._link, verdict, request).open(messages.reply(0, *association.address))
        self._link.resume_reading()  # its end is the association's (RFC 1928, section 6)

    def _note(self, text: str) -> None:
        self._desk.journal.note(self._connection.id, text)
