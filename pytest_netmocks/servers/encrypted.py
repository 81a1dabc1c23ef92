"""`Encrypted`: the words about TLS of every server over a stream: its certificate, its context, who trusts it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from pytest_netmocks.records.connection import Connection
from pytest_netmocks.servers.ruled import Author
from pytest_netmocks.servers.server import Server
from pytest_netmocks.servers.stream_front import StreamFront

if TYPE_CHECKING:
    import ssl

    from pytest_netmocks.encryption.authority import Authority
    from pytest_netmocks.encryption.certificate import Certificate
    from pytest_netmocks.encryption.offer import Offer
    from pytest_netmocks.encryption.settings import Contexts, TlsSettings


class Encrypted(Server):
    """Base of the servers over a stream that is about TLS alone."""

    may_begin: ClassVar[bool] = False
    """Whether a rule or a handler can let TLS begin in the middle of a conversation, without an option that says so."""

    front: StreamFront
    """Where its connections come in."""

    _tls: TlsSettings | None = None
    """What its maker said, `None` if there is no TLS."""

    _given: tuple[Certificate, ...] | None = None
    """The certificates that it was given later, `None` if it was given none."""

    _given_by: Author = "its maker"
    _names: tuple[str, ...] = ()
    """The names of a test's own that lead to it."""

    _named: Certificate | None = None
    """The authority's certificate for these."""

    _own: Contexts | None = None
    """What `context` is one of."""

    @property
    def offers_tls(self) -> bool:
        """Whether a client can speak TLS with it, from the first byte or later."""
        return self.front.contexts is not None

    @property
    def ca(self) -> Authority:
        """The authority that its certificate comes from."""
        from pytest_netmocks.encryption import authority  # no server without TLS needs it

        return authority.shared()

    def client_context(self, certificate: Certificate | None = None) -> ssl.SSLContext:
        """A context for clients that trusts its authority, with a client certificate if one is given."""
        return self.ca.client_context(certificate)

    # What it shows

    @property
    def certificate(self) -> Certificate | tuple[Certificate, ...]:
        """What it shows to clients; several, where their SNI chooses.

        It can be set while the server runs, to what the option takes: who connects from then on is shown the new one,
        and so is who begins TLS later (STARTTLS); connections that are open go on, FTP's data connections with the
        session that they are of. `None` is one of the authority's own again. Raises `TypeError` for what is no
        certificate, `ValueError` where it and its key do not fit, an `OSError` if a file cannot be read; then the one
        before stays. Where there is no TLS it is an `AttributeError`.
        """
        shown = self._offered(self._given).certificates
        return shown if len(shown) > 1 else shown[0]

    @certificate.setter
    def certificate(self, certificate: Certificate | Sequence[Certificate] | None) -> None:
        from pytest_netmocks.encryption import settings  # as above

        self._show(settings.read({"certificate": certificate}).certificates)
        self._given_by = self.author_now()

    def _show(self, given: tuple[Certificate, ...] | None) -> None:
        """Let new connections be shown these; of none the authority's own, with `None` what its maker said."""
        contexts = self._offered(given).contexts(self.ca, self._host)
        self.catch_up()
        self._given, self._own = given, None
        self.front.contexts = contexts

    def _offered(self, given: tuple[Certificate, ...] | None) -> TlsSettings:
        """What new connections are offered if these are the certificates that it was given."""
        if self._tls is None and not self.may_begin:
            raise AttributeError(f"certificate of {self._name} is about TLS, and there is none: make it with tls=True")
        from pytest_netmocks.encryption.settings import TlsSettings  # as above

        offered = self._tls or TlsSettings()
        shown = offered.certificates if given is None else given
        return dataclasses.replace(offered, certificates=shown or self._issued())

    def _issued(self) -> tuple[Certificate, ...]:
        """The authority's own certificates for it."""
        usual = self.ca.default(self._host)
        if not self._names:
            return (usual,)
        if self._named is None:
            self._named = self.ca.issue(*self._names)
        return usual, self._named

    def certify(self, *names: str) -> None:
        """Show new clients that ask for one of these names a certificate of the authority that is good for them.

        So does it for the names of earlier calls. A server that was given a certificate goes on showing that one.
        """
        if set(names) <= set(self._names):
            return
        self._names, self._named, self._own = tuple(dict.fromkeys((*self._names, *names))), None, None
        if self.front.contexts is not None:
            self.front.contexts = self._offered(self._given).contexts(self.ca, self._host)

    # TLS that begins in the middle

    @property
    def context(self) -> ssl.SSLContext:
        """The context of its certificate, for `await writer.start_tls(server.context)` in a handler.

        It is this server's own: what is changed on it holds for the handshakes that begin with it, and for no others.
        Raises `AttributeError` where there can be no TLS.
        """
        self.prepare_tls()
        own = self._own  # looked at once: another thread may set the certificate meanwhile
        if own is None:
            from pytest_netmocks.encryption.settings import Contexts  # as above

            own = self._own = Contexts(self._offered(self._given), self.ca)
        return (own.with_keys if self.journal.on_the_wire else own).first

    def prepare_tls(self) -> None:
        """Let TLS be possible from now on: faults of the handshake and of cipher text too."""
        if self.front.contexts is None:
            self.front.contexts = self._offered(self._given).contexts(self.ca, self._host)

    def begin_tls_later(self) -> None:
        """Let TLS begin in the middle of a conversation. Raises `ValueError` where it is there already."""
        if self.front.secure:
            raise ValueError(f"start_tls: {self.name} speaks TLS from the first byte on: make it without tls=True")
        self.prepare_tls()

    def secure(
        self,
        connection: Connection,
        on_open: Callable[[], None],
        early: bytes | None = None,
        offer: Offer | None = None,
    ) -> None:
        """In the loop: put TLS under a connection that has begun in plain text.

        `early` are bytes of the client's that are no plain text but belong to the handshake, and what waits behind them
        does too; with `None` what waits is forgotten. `offer` says what the client is offered, unless that is what all
        are.
        """
        self.front.encrypt(connection, on_open, early, offer)

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        self._own = None
        if self._given is not None and not self._lasts(self._given_by, keep=keep):
            self._given_by = "its maker"
            self._show(None)
