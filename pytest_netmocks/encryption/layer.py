"""The TLS layer: cipher text below, plain text above.

`ssl` works in memory here, so what it wants to say when a handshake fails, the alert, is sent like everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import ssl
from collections.abc import Callable

from pytest_netmocks.encryption import hello
from pytest_netmocks.encryption.report import Report
from pytest_netmocks.encryption.session import ALERT, Session, mute
from pytest_netmocks.faults import alerts
from pytest_netmocks.faults.base import HandshakeFault
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link import runqueue
from pytest_netmocks.link.passing import Passing
from pytest_netmocks.link.ports import Above, Below, End

READ = 64 * 1024
"""Bytes that one read may give; a record has at most 16 KiB (RFC 8446, section 5.1)."""

PIECE = 32 * 1024
"""Bytes of a handshake that OpenSSL gets at a time: of the smallest records that is work for some ten milliseconds."""

WRITE = 256 * 1024
"""Bytes that are encrypted before they are handed on: what is written stays in the processor's cache."""

FATAL = {
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": "bad_record_mac",
    "BAD_RECORD_TYPE": "unexpected_message",
    "PACKET_LENGTH_TOO_LONG": "record_overflow",
}
"""The alerts that OpenSSL sends for these reasons and no others, when nobody listens to it any more."""


class State(enum.Enum):
    """How far it is."""

    HELLO = "waiting for the ClientHello"
    HANDSHAKE = "shaking hands"
    OPEN = "open"
    OVER = "over"


class TlsLayer(Passing):
    """TLS between what carries the cipher text and `above`, on the side that `make` makes a session for."""

    def __init__(
        self,
        make: Callable[[ssl.MemoryBIO, ssl.MemoryBIO], ssl.SSLObject],
        above: Above,
        report: Report,
        on_open: Callable[[], None],
    ) -> None:
        self._above = above
        self._report = report
        self._on_open = on_open
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.session = make(self._incoming, self._outgoing)
        self.faults: list[Injection] = []
        """The injections of a `HandshakeFault`, in the order of the calls."""
        self._state = State.HELLO if self.session.server_side else State.HANDSHAKE
        self._flight = hello.Flight()
        self._stalled: Injection | None = None
        self._answered = False
        self._late = bytearray()
        """What OpenSSL has not seen yet of the handshake."""
        self._held = False
        self._finished = False
        """Whether the client's FIN waits behind it."""
        self._notified = False
        self._queue = runqueue.of(asyncio.get_running_loop())

    def stand_on(self, below: Below) -> None:
        """Get cipher text from there and send it there."""
        self._below = below

    def carry(self, above: Above) -> None:
        """Hand plain text up to this one."""
        self._above = above

    @property
    def is_handshake_over(self) -> bool:
        """Whether the handshake is over, one way or the other."""
        return self._state in (State.OPEN, State.OVER)

    # What the layer below calls

    def connected(self) -> None:
        """A client begins to speak."""
        if self._state is State.HANDSHAKE:
            self._shake()

    def data_received(self, data: bytes) -> None:
        """Cipher text comes in."""
        if self._state is State.OPEN:
            self._incoming.write(data)
            self._read()
        elif self._state is State.HELLO:
            self._flight.add(data)
            if self._flight.is_complete:
                self._queue.take(self.proceed)
        elif self._state is State.HANDSHAKE:
            self._late += data
            if len(self._late) > PIECE:
                self._held = True
                self._below.pause_reading()
            self._queue.take(self._shake)

    def peer_finished(self) -> None:
        """The peer's FIN comes in."""
        if self._state is State.OPEN:
            self._report.truncated()
            self._above.end_of_stream()
        elif self._late or (self._state is State.HELLO and self._flight.is_complete and self._stalled is None):
            self._finished = True  # what came before it still waits for its turn
        else:
            self._cut_short()
            self._below.finish()

    def end_of_stream(self) -> None:
        """The end of the cipher text, which a layer further down has put on record."""
        self.peer_finished()

    def _cut_short(self) -> None:
        """The client has finished in the middle of the handshake."""
        if self._state is not State.OVER:
            self._state = State.OVER
            self._report.refused(self.session, None)
            self._above.gone(None)

    def peer_hung_up(self) -> None:
        """The peer's FIN is there, behind cipher text that nobody has read."""
        if self._state is State.OPEN:
            self._above.peer_hung_up()
        elif self._stalled is not None:  # nothing of what it sends is of any use
            self.peer_finished()

    def ending(self) -> None:
        """Our last FIN is about to go out."""
        self._above.ending()

    def end_sent(self, end: End) -> None:
        """Our FIN or RST goes out."""
        self._above.end_sent(end)

    def in_pieces(self, *, apart: bool) -> None:
        """Where cipher text was cut is no matter: records are what they are."""

    def pause_writing(self) -> None:
        """The layer below has too much to write."""
        self._above.pause_writing()

    def resume_writing(self) -> None:
        """The layer below has room again."""
        self._above.resume_writing()

    def gone(self, error: Exception | None) -> None:
        """There is no connection any more, and why is on record."""
        self._lost(error)
        self._above.gone(error)

    def wire_lost(self, error: Exception | None) -> None:
        """There is no connection any more."""
        self._lost(error)
        self._above.wire_lost(error)

    def _lost(self, error: Exception | None) -> None:
        if self._state in (State.HELLO, State.HANDSHAKE):
            self._report.refused(self.session, error)
        self._state = State.OVER

    # The handshake

    def proceed(self) -> None:
        """Answer the ClientHello if it is there and no fault is against it."""
        flight = self._flight
        if self._state is not State.HELLO or not flight.is_complete:
            return
        if self.faults and flight.is_handshake and (striking := self._striking()) is not None:
            self._strike(striking)
            if self._finished and self._stalled is not None:
                self._cut_short()
                self._below.finish()
            return
        self._stalled = None
        self._state = State.HANDSHAKE
        session = self.session
        assert isinstance(session, Session)  # the server's side, which alone waits for a ClientHello
        with contextlib.suppress(ValueError):  # it is malformed: OpenSSL has the alert for it
            name = hello.server_name(bytes(flight.message))
            if not session.asks_for(name):
                self._refuse(f"the client asks for {(name or b'')[:64]!r}, which is no host name")
                return
        self._late = flight.data
        self._flight = hello.Flight()
        self._shake()

    def _striking(self) -> Injection | None:
        """The fault that strikes this handshake; those that come before it and do not are asked no more."""
        faults = self.faults
        while faults and faults[0] is not self._stalled and not faults[0].strikes_handshake():
            del faults[0]
        return faults[0] if faults else None

    def _refuse(self, why: str) -> None:
        """Answer a ClientHello with the alert that RFC 6066, section 3 has for a name that is none."""
        session = self.session
        assert isinstance(session, Session)
        session.alert_sent = "unrecognized_name"
        self._over(ValueError(why))
        self._below.write(alerts.record(session.alert_sent))
        self._below.finish()

    def _over(self, error: Exception) -> None:
        self._state = State.OVER
        self._report.refused(self.session, error)
        self._above.gone(error)

    def _strike(self, injection: Injection) -> None:
        fault = injection.fault
        assert isinstance(fault, HandshakeFault)
        if injection is not self._stalled:
            self._report.struck(injection)
        if fault.answer is None:
            self._stalled = injection
            if len(self._flight) > hello.LIMIT:
                self._below.pause_reading()
            return
        self._state = State.OVER
        self._above.gone(None)
        self._below.write(fault.answer)
        self._below.finish()

    def _shake(self) -> None:
        if self._state is not State.HANDSHAKE:
            return  # it ended while this waited for its turn
        self._incoming.write(self._late[:PIECE])
        del self._late[:PIECE]
        if self._held and not self._late:
            self._held = False
            self._below.resume_reading()
        try:
            self.session.do_handshake()
        except ssl.SSLWantReadError:
            if not self._answered and self._outgoing.pending:
                self._answered = True
                self._report.answered(self.session)
            self._flush()
            if self._late:
                self._queue.take(self._shake)
            elif self._finished:
                self._cut_short()
                self._below.finish()
        except ssl.SSLError as error:
            self._over(error)
            self._flush()
            self._below.finish()
        else:
            self._state = State.OPEN
            self._report.secured(self.session)
            mute(self.session)
            self._flush()
            # Before anybody has the reading go on: what comes then was behind that.
            self._incoming.write(self._late)
            self._late.clear()
            if self._state is State.OPEN:
                self._on_open()
                self._read()
            if self._held:
                self._held = False
                self._below.resume_reading()
            if self._finished:
                self.peer_finished()

    # Bytes

    def _read(self) -> None:
        chunks = []
        finished = False
        failed: ssl.SSLError | None = None
        session, incoming = self.session, self._incoming
        try:
            while incoming.pending or session.pending():
                chunk = session.read(READ)
                if not chunk:
                    finished = True
                    break
                chunks.append(chunk)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            finished = True
        except ssl.SSLError as error:
            failed = error
        if self._outgoing.pending and failed is None:
            answer = self._outgoing.read()
            if answer[0] == ALERT:  # up to TLS 1.2, where no other alert lets the connection go on (RFC 5246, 7.2.2)
                self._report.warned("no_renegotiation")
            self._below.write(answer)
        if chunks and self._state is State.OPEN:
            self._above.data_received(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        if finished and self._state is State.OPEN:
            self._above.peer_finished()
        elif failed is not None and self._state is State.OPEN:
            self._break(failed)

    def _break(self, error: ssl.SSLError) -> None:
        self._state = State.OVER
        self._report.broken(error, FATAL.get(error.reason))
        self._above.gone(error)
        self._flush()
        self._below.finish()

    def _flush(self) -> None:
        """Send what the session has to say."""
        if self._outgoing.pending:
            self._below.write(self._outgoing.read())

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt and send."""
        if self._state is not State.OPEN or self._notified:
            return
        session = self.session
        try:
            sent = session.write(data)
            while sent < len(data):
                if self._outgoing.pending >= WRITE:
                    self._flush()
                sent += session.write(memoryview(data)[sent:])
        except ssl.SSLError as error:
            self._break(error)
            return
        self._flush()

    # What the layer above asks for, as of a wire

    def pause_reading(self) -> None:
        """Read nothing, so that in time the peer's sends block; but a handshake goes on."""
        if self._state is State.OPEN:
            self._held = False  # it goes on when who asked for this says so
            self._below.pause_reading()

    @property
    def unread(self) -> bool:
        """Whether cipher text has come that nobody has read."""
        return bool(self._late) or self._below.unread

    def write_eof(self) -> None:
        """Send a close_notify and a FIN; the peer may go on sending (RFC 8446, section 6.1)."""
        self._notify()
        self._below.write_eof()

    def finish(self, *, at_once: bool = False, past_faults: bool = False, notify: bool = True) -> None:
        """End in good order, close_notify first unless told otherwise.

        `past_faults` and `at_once` wait for no fault of the cipher text."""
        if notify:
            self._notify()
        self._state = State.OVER
        self._below.finish(at_once=at_once, past_faults=past_faults)

    def reset(self, *, at_once: bool = False) -> None:
        """End with an RST once everything that was written has gone out, or at once."""
        self._state = State.OVER
        self._below.reset(at_once=at_once)

    def _notify(self) -> None:
        if self._state is not State.OPEN or self._notified:
            return
        self._notified = True
        with contextlib.suppress(ssl.SSLError):  # the peer's own close_notify is not here, and nobody waits for it
            self.session.unwrap()
        self._flush()
