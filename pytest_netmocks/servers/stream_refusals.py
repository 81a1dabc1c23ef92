"""`StreamRefusals`: which faults make sense on a server over a byte stream, and what to say of those that do not."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from pytest_netmocks.faults.base import (
    AnswerFault,
    EndingFault,
    Fault,
    FramesFault,
    HandshakeFault,
    SessionFault,
    StreamFault,
)
from pytest_netmocks.faults.reset import Reset
from pytest_netmocks.servers.server import Server

if TYPE_CHECKING:
    from pytest_netmocks.encryption.offer import Offer


class StreamRefusals:
    """The part of a front that says no."""

    _server: Server

    contexts: Offer | None = None
    """What new connections are offered of TLS, if there is any."""

    in_frames = False
    """Whether connections may speak HTTP/2, whose faults others do not know."""

    in_messages = False
    """Whether what the server sends is made of messages, which `after_messages` counts."""

    def refusal(self, fault: Fault) -> str | None:
        """Why the fault makes no sense here, and what would; `None` if it does."""
        if isinstance(fault, SessionFault):
            return self._refusal_in_frames(fault)
        if getattr(fault, "error", None) is not None and isinstance(fault, EndingFault):
            return (
                f"{fault!r} strikes a connection, whose RST has no code: error= is for the stream of an exchange of "
                "HTTP/2, on a rule"
            )
        if isinstance(fault, HandshakeFault):
            if self.contexts is None:
                return (
                    f"{fault!r} strikes a TLS handshake, and there is no TLS on {self._server.name}: give it tls=True, "
                    "or say before that it begins later (rule.start_tls(), or server.context for a handler)"
                )
            return None
        if isinstance(fault, AnswerFault):
            if self._server.exchanges is None:
                return (
                    f"{fault!r} strikes answers, and {self._server.name} passes on those of others: inject it into "
                    "the server that answers, or Reset, Close, Corrupt or Replace here"
                )
            return self._refusal_by_scheme(fault)
        if not isinstance(fault, StreamFault):
            return (
                f"{fault!r} strikes datagrams, and {self._server.name} speaks over a byte stream: "
                "use Blackhole, Stall or Latency there, or a udp server"
            )
        if fault.layer == "tls" and self.contexts is None:
            return f"{fault!r} acts on cipher text, and there is no TLS on {self._server.name}: leave layer= out"
        if isinstance(fault, EndingFault) and fault.after_messages is not None:
            if not self.in_messages:
                return (
                    f"{fault!r} counts WebSocket messages, or the chunks and events of HTTP answers, and "
                    f"{self._server.name} has none: after_bytes= counts its bytes"
                )
            if fault.direction == "upstream":
                return f"{fault!r} counts the messages that the server sends, which go downstream"
        return None

    def refusal_on_a_rule(self, fault: Fault) -> str | None:
        """As `refusal`, for a rule's faults."""
        if isinstance(fault, SessionFault):
            return self._refusal_in_frames(fault) or (
                f"{fault!r} strikes a connection as a whole, not one of its exchanges: inject it into the server"
            )
        if not isinstance(fault, AnswerFault):
            if isinstance(fault, Reset) and fault.error is not None:
                return self._refusal_in_frames(fault) or self.refusal_on_a_rule(dataclasses.replace(fault, error=None))
            refused = self.refusal(fault)
            shapes = isinstance(fault, StreamFault) and not isinstance(fault, EndingFault) and fault.layer == "tls"
            if refused is None and shapes:
                refused = (
                    f"{fault!r} acts on cipher text, where nobody knows one answer from the next: "
                    "inject it into the server or the connection"
                )
            return refused
        return self._refusal_by_scheme(fault)

    def _refusal_by_scheme(self, fault: AnswerFault) -> str | None:
        """As `_refusal`, for answers that are not its protocol's."""
        if isinstance(fault, FramesFault):
            return self._refusal_in_frames(fault)
        if fault.schemes is not None and self._server.scheme not in fault.schemes:
            spoken = ", ".join(sorted(fault.schemes))
            return f"{fault!r} strikes answers of {spoken}, and {self._server.name} speaks {self._server.scheme}"
        return None

    def _refusal_in_frames(self, fault: Fault) -> str | None:
        """As `refusal`, of what only HTTP/2 has."""
        if self.in_frames:
            return None
        return f"{fault!r} is a fault of HTTP/2, which {self._server.name} does not speak"
