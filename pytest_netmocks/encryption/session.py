"""`Session`: one side of a TLS connection in memory, and the alerts that it sends and gets.

What `ssl` keeps to itself is here and nowhere else. Clients' libraries put a class of their own in the place of
`ssl.SSLContext` (gevent, eventlet, truststore), and the setters of the one that was there then call themselves without
end. So contexts of servers are of a class below all that: `_ssl`'s, with the few methods that `ssl` adds.

Alerts, those that are encrypted too, can be seen in the message callback of a context alone (`_msg_callback`, in
CPython since 3.8). It is set past `ssl`'s own wrapper, which makes enumeration members of every argument: that alone is
a tenth of a handshake. Without it alerts stay off record.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytest_netmocks.faults import alerts

ALERT = 21
"""The content type of an alert (RFC 8446, section 5.1)."""

HANDSHAKE = 22
"""That of the messages of a handshake."""

CLIENT_HELLO = b"\x01"
"""The type of the first of them (section 4)."""


if TYPE_CHECKING:
    from pytest_netmocks.encryption.certificate import Certificate
    from pytest_netmocks.encryption.keys import KeyLog

    Original = ssl.SSLContext
else:
    Original = ssl.SSLContext.__mro__[-3]
    """The standard library's own context class, whatever has taken its name; all contexts are its instances."""

BASE: Any = Original.__mro__[-2]
"""`_ssl`'s, whose attributes are descriptors written in C."""


class ServerContext(Original):
    """A context whose attributes are set past `ssl`; they read as plain numbers."""

    options = BASE.options
    verify_mode = BASE.verify_mode
    minimum_version = BASE.minimum_version
    maximum_version = BASE.maximum_version
    sslobject_class: Any
    offer: Any = None
    """What it is one context of, where somebody may begin with it."""


CALLBACK: Any = vars(BASE).get("_msg_callback")
"""The descriptor of the callback, `None` where there is none."""


class Session(ssl.SSLObject):
    """An `ssl.SSLObject` that knows what the client asked for and which alerts passed."""

    server_name: str | None = None
    shown: Certificate | None = None
    """What the server shows."""
    alert_sent: str | None = None
    alert_received: str | None = None
    asked = False
    """Whether a ClientHello was understood."""
    choose: Callable[[Session, str], None] | None = None
    """Puts the certificate in place that is shown to who asks for the name."""
    keys: KeyLog | None = None
    """Where its secrets are, if anybody wants them."""
    random = b""
    """The random of the ClientHello, by which they are found."""

    def asks_for(self, name: bytes | None) -> bool:
        """The client asks for the name. False: it is none, for those are short and visible ASCII (RFC 6066, 1035)."""
        self.asked = True
        if name is None:
            return True
        if len(name) > 255 or not all(0x21 <= byte <= 0x7E for byte in name):
            return False
        self.server_name = name.decode("ascii")
        if self.choose is not None:
            self.choose(self, self.server_name)
        return True


def _heard(session: Any, direction: str, version: Any, content_type: Any, message_type: Any, data: bytes) -> None:
    if content_type == ALERT and len(data) == 2:
        name = alerts.NAMES.get(data[1], f"alert {data[1]}")
        if direction == "write":
            session.alert_sent = session.alert_sent or name
        else:
            session.alert_received = session.alert_received or name


def _heard_all(session: Any, direction: str, version: Any, content_type: Any, message_type: Any, data: bytes) -> None:
    if content_type == HANDSHAKE and data[:1] == CLIENT_HELLO:
        session.random = data[6:38]  # behind the message's head and the version (RFC 8446, section 4.1.2)
    _heard(session, direction, version, content_type, message_type, data)


def listen(context: ServerContext, *, keys: bool = False) -> None:
    """Make the context's objects sessions that know their alerts, and by what their `keys` are found."""
    context.sslobject_class = Session
    if CALLBACK is not None:
        CALLBACK.__set__(context, _heard_all if keys else _heard)


@functools.cache
def _deaf() -> ServerContext:
    return ServerContext(ssl.PROTOCOL_TLS_SERVER)


def mute(session: ssl.SSLObject) -> None:
    """Hear no more of it: once the handshake is over, the callback would only cost time at every record."""
    session.context = _deaf()
