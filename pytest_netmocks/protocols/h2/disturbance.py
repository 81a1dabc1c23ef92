"""`Disturbance`: the faults of a connection of HTTP/2 as a whole: what it says of itself in SETTINGS and PING."""

from __future__ import annotations

from pytest_netmocks.faults.base import Fault, SessionFault
from pytest_netmocks.faults.no_ping_ack import NoPingAck
from pytest_netmocks.faults.no_settings_ack import NoSettingsAck
from pytest_netmocks.faults.small_window import SmallWindow
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.h2 import frames

WINDOW = 65535
"""Bytes of a window unless somebody says otherwise (RFC 9113, section 6.9.2)."""

KEPT = 100
"""Frames of a kind that are kept back at most, to be sent when the fault is lifted."""

_SILENT: dict[int, type[SessionFault]] = {frames.SETTINGS: NoSettingsAck, frames.PING: NoPingAck}


class Disturbance:
    """What those faults do; which are in force, the connection's link knows."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._hit: list[Injection] = []
        self._kept_back: dict[type[Fault], list[bytes]] = {}

    @property
    def window(self) -> int:
        """Bytes that the client may send on a stream before more are asked for."""
        injection = self._in_force(SmallWindow)
        if injection is None:
            return WINDOW
        self._struck(injection)
        assert isinstance(injection.fault, SmallWindow)
        return injection.fault.size

    def _in_force(self, kind: type[SessionFault]) -> Injection | None:
        """The newest of such faults."""
        return next((one for one in reversed(self._link.on_session) if isinstance(one.fault, kind)), None)

    def _struck(self, injection: Injection) -> None:
        if injection not in self._hit:
            self._hit.append(injection)
            injection.hits += 1
            self._link.record.struck(injection.fault)

    def passing(self, data: bytes) -> bytes:
        """What of these frames goes out now; acknowledgements may be kept back."""
        going = bytearray()
        for frame in frames.split(data):
            kind = _SILENT.get(frame[3]) if frame[4] & frames.ACK else None
            injection = self._in_force(kind) if kind is not None else None
            if injection is None:
                going += frame
                continue
            self._struck(injection)
            held = self._kept_back.setdefault(type(injection.fault), [])
            if len(held) < KEPT:
                held.append(frame)
        return bytes(going)

    def released(self) -> bytes:
        """What no fault keeps back any more."""
        return b"".join(
            b"".join(self._kept_back.pop(kind, ())) for kind in _SILENT.values() if self._in_force(kind) is None
        )
