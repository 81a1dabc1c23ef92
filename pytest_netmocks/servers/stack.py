"""The stack of one connection: the link of the application's bytes, and below it, with TLS, that of the cipher text."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pytest_netmocks.faults import alerts
from pytest_netmocks.faults.base import HandshakeFault, SessionFault, StreamFault
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.link import Link, Top
from pytest_netmocks.link.ports import Below, Layer
from pytest_netmocks.link.tap import Ear, Tap
from pytest_netmocks.link.wire import Wire
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import PREVIEW
from pytest_netmocks.records.recorder import Recorder
from pytest_netmocks.records.tls import TlsInfo
from pytest_netmocks.servers.cipher import CipherRecord

if TYPE_CHECKING:
    import ssl

    from pytest_netmocks.encryption.keys import KeyLog
    from pytest_netmocks.encryption.layer import TlsLayer
    from pytest_netmocks.encryption.offer import Offer
    from pytest_netmocks.link.introduction import Introduction
    from pytest_netmocks.records.proxied import ProxyHeader


Place = Literal["wire", "application"]
"""Where a tap stands: on the wire, or right below the faults on the application's bytes."""

Listeners = Sequence[tuple[Place, Ear]]
"""Who listens in on a connection, and where."""


class Stack:
    """One connection's layers, as a list from the wire up; faults are armed on the link whose bytes they strike.

    Over TLS the list is `[wire, link of cipher text, TLS, link]`, without it `[wire, link]`; the protocol stands on the
    last. STARTTLS puts the two in the middle in. Taps stand on the wire, or below the last link.
    """

    __slots__ = (
        "_cipher",
        "_extra",
        "_handshake",
        "_highest",
        "_introduction",
        "_layer",
        "_listeners",
        "_loop",
        "_lowest",
        "_middle",
        "_recorder",
        "_tell_keys",
        "_unasked",
        "_wire",
        "bottom",
        "link",
        "offer",
        "on_over",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        recorder: Recorder,
        *,
        secure: bool,
        listeners: Listeners = (),
        tell_keys: Callable[[str], None] | None = None,
    ) -> None:
        self._loop = loop
        self._recorder = recorder
        self._listeners = listeners
        self._tell_keys = tell_keys
        self._introduction: Introduction | None = None
        self._cipher: Link | None = None
        self._unasked: list[bytes] | None = None
        """What waits for the end of a handshake, `None` as long as there was no such thing."""
        self.offer: Offer | None = None
        """What the client was offered of TLS, `None` as long as there is none."""
        self._layer: TlsLayer | None = None
        self._handshake: list[Injection] = []
        self._extra: dict[str, Any]
        self._lowest: Sequence[Layer] = ()
        self._middle: Sequence[Layer] = ()
        self._highest: Sequence[Layer] = ()
        self.link = Link(loop, recorder)
        """What the protocol stands on."""
        self.bottom = self._below() if secure else self.link
        """The lowest link: its end is the connection's."""
        self.on_over: Callable[[], None] | None = None
        self.bottom.on_over = self._ended

    def start(
        self,
        wire: Wire,
        factory: Callable[[], Top],
        extra: dict[str, Any],
        offer: Offer | None,
    ) -> None:
        """Begin on the wire; with an offer the protocol comes once the TLS handshake is over."""
        self._extra = extra
        self._wire: Below = wire
        if self._listeners:
            taps = [(place, Tap(self._loop.time, ear)) for place, ear in self._listeners]
            self._lowest = [tap for place, tap in taps if place == "wire"]
            self._highest = [tap for place, tap in taps if place != "wire"]
        introduction = self._introduction
        if introduction is not None:
            self._lowest = [*self._lowest, introduction]
        if offer is None:
            if self._lowest or self._highest:
                self._connect()
            else:  # by far the most
                self.link.stand_on(wire)
                wire.carry(self.link)
            self.link.start(extra)
            if introduction is None:
                self.link.begin(factory)
            else:
                introduction.wait(functools.partial(self.link.begin, factory))
        else:
            cipher = self._put_in(offer, functools.partial(self._open, factory))
            self.link.start(extra)
            if introduction is None:
                cipher.connected()
            else:
                introduction.wait(cipher.connected)

    def await_header(self, refusal_of: Callable[[Address], str | None]) -> None:
        """Before `start`: a PROXY header comes before all else, and says whose connection it is.

        `refusal_of` says why a client of that address is refused.
        """
        from pytest_netmocks.link.introduction import Introduction  # only where it is asked for

        self._introduction = Introduction(self._loop, functools.partial(self._met, refusal_of), self._not_met)

    def _met(self, refusal_of: Callable[[Address], str | None], header: ProxyHeader) -> None:
        connection = self.connection
        connection.proxy_header = header
        if header.source is not None:
            # The layers share it, and nothing above has begun.
            connection.client_address = self._extra["peername"] = header.source
        self._recorder.note(header.describe())
        refusal = refusal_of(connection.client_address)
        if refusal is not None:
            self._not_met(f"refused: {refusal}")

    def _not_met(self, why: str) -> None:
        if not self.bottom.over:
            self._recorder.ended("server", why, "RST")
            self.bottom.reset_at_once()

    def secure(self, offer: Offer, on_open: Callable[[], None], early: bytes | None) -> None:
        """Put TLS under a connection that has begun without (STARTTLS); `on_open` is called after the handshake.

        What has come and nobody has got is no plain text of the session (CVE-2011-0411): with `early` bytes it belongs
        to the handshake behind these, with `None` it is forgotten.
        """
        waiting, finished = self.link.take_unread()
        cipher = self._put_in(offer, functools.partial(self._upgraded, on_open))
        cipher.connected()
        if early is None:
            if waiting:
                self._recorder.note(f"{len(waiting)} B of plain text that came before the handshake are forgotten")
        elif early or waiting:
            cipher.data_received(early + waiting)
        if finished:
            cipher.peer_finished()

    def say(self, data: bytes) -> None:
        """Send bytes that nobody asked for; what has to be encrypted waits for the end of the handshake."""
        begins = self._layer is None and self.link.to_be_secured
        if begins or not (self._layer is None or self._layer.is_handshake_over):
            self._unasked = [*(self._unasked or ()), data]
        else:
            self._say(data)

    def _say(self, data: bytes) -> None:
        self._recorder.note(f"{len(data)} B are sent unasked: {data[:PREVIEW]!r}{'...' if len(data) > PREVIEW else ''}")
        self.link.write(data)

    @property
    def connection(self) -> Connection:
        """What is on record of it."""
        return self._recorder.connection

    @property
    def layers(self) -> list[Below]:
        """The layers, from the wire up."""
        return [self._wire, *self._lowest, *self._middle, *self._highest, self.link]

    def _connect(self) -> None:
        """Put each layer on the one before it."""
        below = self._wire
        for layer in (*self._lowest, *self._middle, *self._highest, self.link):
            layer.stand_on(below)
            below.carry(layer)
            below = layer

    @property
    def is_handshake_over(self) -> bool:
        """Whether the TLS handshake is over, one way or the other."""
        return self._layer is not None and self._layer.is_handshake_over

    def _below(self) -> Link:
        if self._cipher is None:
            self._cipher = Link(self._loop, CipherRecord(self._recorder))
        return self._cipher

    def _put_in(self, offer: Offer, on_open: Callable[[], None]) -> Link:
        """Put TLS in, and below it the link of the cipher text, which is ready to begin."""
        from pytest_netmocks.encryption.layer import TlsLayer  # no other server needs it

        cipher = self._below()
        self._layer = TlsLayer(offer.session, self.link, _Report(self._recorder, self._tell_keys), on_open)
        self._layer.faults = self._handshake
        self._middle = [cipher, self._layer]
        self.offer = offer
        self.link.to_be_secured = True
        self.bottom.on_over, self.bottom = None, cipher
        cipher.on_over = self._ended
        self._connect()
        cipher.start(self._extra)
        return cipher

    def _open(self, factory: Callable[[], Top]) -> None:
        self._tell()
        self.link.begin(factory)
        self._say_the_rest()

    def _upgraded(self, on_open: Callable[[], None]) -> None:
        self._tell()
        on_open()
        self._say_the_rest()

    def _say_the_rest(self) -> None:
        """The handshake is over: send what had to wait for that."""
        unasked, self._unasked = self._unasked, None
        for data in unasked or ():
            self._say(data)

    def _tell(self) -> None:
        """Give protocols what asyncio's transports over TLS give."""
        assert self._layer is not None
        session = self._layer.session
        self.link.add_extra(ssl_object=session, cipher=session.cipher(), peercert=session.getpeercert())

    def _ended(self) -> None:
        self.bottom.on_over = None  # it holds this one
        if self.on_over is not None:
            self.on_over()

    # Faults

    def arm(self, injection: Injection) -> None:
        """Let the injection's fault strike, counted from now, or for cipher text from its first byte."""
        fault = injection.fault
        if isinstance(fault, HandshakeFault):
            self._handshake.append(injection)
        elif isinstance(fault, SessionFault):
            self.link.arm_session(injection)
        elif isinstance(fault, StreamFault) and fault.layer == "tls":
            if not self._below().over:
                self._below().arm(injection)
        elif not self.link.over:
            self.link.arm(injection)

    def disarm(self, injection: Injection) -> None:
        """Lift it."""
        if injection in self._handshake:
            self._handshake.remove(injection)
            if self._layer is not None:
                self._layer.proceed()
        for link in (self.link, self._cipher):
            if link is not None and not link.over:
                link.disarm(injection)

    # Ends

    def shut(self) -> None:
        """End in good order, past all faults."""
        if self.link.over:
            self.bottom.shut()
        self.link.shut()

    def end_in_turn(self, parting: bytes) -> None:
        """End in good order behind all that was written, through the faults; `parting` goes before, in plain text.

        In the middle of a TLS handshake nobody would get that, and before a PROXY header nothing is said.
        """
        if self._introduction is not None and self._introduction.waits:
            parting = b""
        if self._layer is not None and not self._layer.is_handshake_over:
            (self.bottom if self.link.over else self.link).close()
            return
        if parting:
            self.link.write(parting)
        self.link.close()

    def stop(self, why: str) -> None:
        """End now, past all faults."""
        self.link.stop(why)
        self.bottom.stop(why)


class _Report:
    """Puts the handshake on record."""

    def __init__(self, recorder: Recorder, tell_keys: Callable[[str], None] | None) -> None:
        self._recorder = recorder
        self._tell_keys = tell_keys
        self._info = TlsInfo()
        self._told = False

    def answered(self, session: ssl.SSLObject) -> None:
        self._look_for_keys(session)
        self._fill(session, over=False)
        shown = getattr(session, "shown", None)
        self._recorder.tls(f"the ClientHello is answered: {self._info.describe()}", "answered", shown)

    def secured(self, session: ssl.SSLObject) -> None:
        self._look_for_keys(session)
        self._fill(session, over=True)
        self._recorder.tls(f"the handshake is complete: {self._info.describe()}", "complete")

    def refused(self, session: ssl.SSLObject, error: Exception | None) -> None:
        if self._told:
            return  # one end of a handshake is enough
        self._told = True
        self._look_for_keys(session)
        self._fill(session, over=True)
        info = self._info
        if info.alert_sent is None and info.alert_received is None and not getattr(session, "asked", False):
            self._recorder.connection.tls = None
        passed = [f"alert {info.alert_sent} sent"] if info.alert_sent else []
        if info.alert_received:
            reason = alerts.REASONS.get(info.alert_received)
            passed.append(f"alert {info.alert_received} received{f' ({reason})' if reason else ''}")
        why = [f"{getattr(error, 'reason', None) or error}"] if error is not None else []
        text = ", ".join(["the handshake failed", *passed, *why])
        if error is None:
            silent = self._recorder.connection.tls is not None and not passed
            hint = " (as a client on asyncio does that does not trust the certificate: without an alert)"
            self._recorder.tls(f"{text}: the client finished before its end{hint if silent else ''}", "failed")
        else:
            self._recorder.ended("client" if info.alert_received else "server", text)

    def warned(self, alert: str) -> None:
        if self._info.alert_sent is None:  # a client that asks again and again is told again and again
            self._info.alert_sent = alert
            self._recorder.tls(f"alert {alert} sent", "alert")

    def broken(self, error: Exception, alert: str | None) -> None:
        reason = getattr(error, "reason", None) or str(error)
        _, is_alert, name = reason.partition("_ALERT_")
        if is_alert:  # a fatal one ends the connection (RFC 8446, section 6.2)
            self._info.alert_received = name.lower()
            self._recorder.ended("client", f"alert {name.lower()} received")
        else:
            self._info.alert_sent = alert or self._info.alert_sent
            passed = f"alert {alert} sent, " if alert else ""
            self._recorder.ended("server", f"{passed}what came is no TLS: {reason}")

    def truncated(self) -> None:
        self._recorder.tls("the client finished without close_notify", "note")

    def struck(self, injection: Injection) -> None:
        fault = injection.fault
        assert isinstance(fault, HandshakeFault)
        injection.hits += 1
        self._recorder.struck(fault)
        if fault.answer is not None:
            self._info.alert_sent = alerts.NAMES[fault.answer[-1]]
            self._recorder.connection.tls = self._info
            self._recorder.ended("fault", f"the handshake is refused: alert {self._info.alert_sent} sent")

    def _look_for_keys(self, session: ssl.SSLObject) -> None:
        if self._tell_keys is not None:
            keys: KeyLog | None = getattr(session, "keys", None)
            if keys is not None and (text := keys.take(getattr(session, "random", b""))):
                self._tell_keys(text)

    def _fill(self, session: ssl.SSLObject, *, over: bool) -> None:
        info = self._info
        self._recorder.connection.tls = info
        cipher = session.cipher()
        # Before the handshake is over `version()` gives nothing; a suite of TLS 1.3 belongs to no other version.
        info.version = session.version() or ("TLSv1.3" if cipher and cipher[1] == "TLSv1.3" else None)
        info.cipher = cipher[0] if cipher else None
        info.alpn = session.selected_alpn_protocol()
        info.resumed = bool(session.session_reused)
        info.sni = getattr(session, "server_name", None)
        info.alert_sent = getattr(session, "alert_sent", None)
        info.alert_received = getattr(session, "alert_received", None)
        if over:
            with contextlib.suppress(ValueError):  # it failed before there was one to ask for
                info.client_cert = session.getpeercert() or None
