"""`Socks5Server`: a SOCKS proxy that connects to what the test has, and to nothing else."""

from __future__ import annotations

from pytest_netmocks.link.link import Link, Top
from pytest_netmocks.protocols.socks.records import SocksRequest
from pytest_netmocks.protocols.socks.rules import SocksRule, check_when
from pytest_netmocks.protocols.socks.session import SocksSession
from pytest_netmocks.protocols.socks.udp import Association
from pytest_netmocks.protocols.tunnel.forwarder import Forwarder
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.rules.commands import Wanted


class Socks5Server(Forwarder):
    """A SOCKS5 proxy (RFC 1928) with CONNECT and UDP ASSOCIATE; SOCKS4 and 4a are spoken on the same port.

    With `users` (names to passwords) clients log in (RFC 1929), those of SOCKS4 with a user's name. It connects to
    loopback, to `names` (as `netmocks.names` takes them) and to the test's names that are in force, elsewhere only with
    `anywhere=True`.
    """

    scheme = "socks5"
    lets_log_in = True
    no_requests = "a connection has one, which makes it a tunnel"

    def _prepare(self) -> None:
        super()._prepare()
        self.rules: RuleBook[SocksRule] = self.book()
        """The rules over requests, oldest first."""
        self._associations: set[Association] = set()

    @property
    def requests(self) -> list[SocksRequest]:
        """Every request so far, oldest first."""
        return super().requests

    def when(self, command: str | None = None, destination: Wanted = None) -> SocksRule:
        """Begin a rule for requests: with that command, and to that host or `host:port`, text or a compiled pattern.

        A fault that it injects strikes the tunnel, whose bytes `after_bytes` counts. Raises `TypeError` or `ValueError`
        that names the argument.
        """
        wanted = check_when(command, destination)
        label = ", ".join(repr(one) for one in wanted if one is not None)
        return self.rules.add(SocksRule(f"when({label})", *wanted))

    def keep_association(self, association: Association) -> None:
        """In the loop: know it until its connection ends."""
        self._associations = {one for one in self._associations if one.is_open} | {association}

    def _finish(self) -> None:
        super()._finish()
        for association in self._associations:
            association.close()

    def abandon(self) -> None:
        """In a forked child: close the descriptors without a word to peers or loop."""
        super().abandon()
        for association in self._associations:
            association.abandon()

    def _protocol(self, link: Link, connection: Connection) -> Top:
        return SocksSession(self, link, connection, self._loop)
