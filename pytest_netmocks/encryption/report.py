"""Whom a TLS layer tells how the handshake goes."""

from __future__ import annotations

import ssl
from typing import Protocol

from pytest_netmocks.injections.injection import Injection


class Report(Protocol):
    """Who hears how the handshake goes; each call comes before the peer can see what it tells."""

    def answered(self, session: ssl.SSLObject, /) -> None:
        """The ClientHello is answered."""

    def secured(self, session: ssl.SSLObject, /) -> None:
        """The handshake is over."""

    def refused(self, session: ssl.SSLObject, error: Exception | None, /) -> None:
        """The handshake failed (`None`: the peer finished in the middle)."""

    def warned(self, alert: str, /) -> None:
        """An alert is sent, and the connection goes on."""

    def broken(self, error: Exception, alert: str | None, /) -> None:
        """What came later is no TLS; the alert that is sent, if it is known."""

    def truncated(self) -> None:
        """The stream ended without a close_notify: it may have been cut."""

    def struck(self, injection: Injection, /) -> None:
        """A fault of the handshake strikes."""
