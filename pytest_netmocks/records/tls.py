"""`TlsInfo`: what the TLS handshake of one connection came to."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(slots=True)
class TlsInfo:
    """The handshake of one connection, on record from the moment when the ClientHello is answered.

    `version` (`"TLSv1.3"`) and `cipher` (the suite's name) are `None` if nothing was agreed; `sni` and `alpn` are
    `None` if the client did not ask. `client_cert` is what `ssl.SSLSocket.getpeercert()` gives, `None` without one.
    `resumed` says that an earlier session was taken up. `alert_sent` and `alert_received` are the names (RFC 8446,
    section 6) of the alerts that passed, in the handshake and later, `close_notify` aside: the one that ended the
    connection, or `no_renegotiation`, after which it went on.
    """

    version: str | None = None
    cipher: str | None = None
    sni: str | None = None
    alpn: str | None = None
    client_cert: dict[str, Any] | None = None
    resumed: bool = False
    alert_sent: str | None = None
    alert_received: str | None = None

    def describe(self) -> str:
        """What was agreed, in one line."""
        parts = [self.version or "no version", self.cipher or "no cipher"]
        parts += [f"SNI {self.sni}"] if self.sni else []
        parts += [f"ALPN {self.alpn}"] if self.alpn else []
        parts += ["resumed"] if self.resumed else []
        parts += ["with a client certificate"] if self.client_cert else []
        return ", ".join(parts)
