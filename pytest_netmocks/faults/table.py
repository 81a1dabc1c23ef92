"""The table of all faults. Adding one is a file and a line in this import block; `registry` has them by name."""

from __future__ import annotations

from pytest_netmocks.faults.answer import Answer as Answer
from pytest_netmocks.faults.bandwidth import Bandwidth as Bandwidth
from pytest_netmocks.faults.base import Fault as Fault
from pytest_netmocks.faults.blackhole import Blackhole as Blackhole
from pytest_netmocks.faults.close import Close as Close
from pytest_netmocks.faults.corrupt import Corrupt as Corrupt
from pytest_netmocks.faults.duplicate import Duplicate as Duplicate
from pytest_netmocks.faults.garbage import Garbage as Garbage
from pytest_netmocks.faults.goaway import Goaway as Goaway
from pytest_netmocks.faults.handshake_failure import HandshakeFailure as HandshakeFailure
from pytest_netmocks.faults.handshake_stall import HandshakeStall as HandshakeStall
from pytest_netmocks.faults.latency import Latency as Latency
from pytest_netmocks.faults.loss import Loss as Loss
from pytest_netmocks.faults.malformed_chunk import MalformedChunk as MalformedChunk
from pytest_netmocks.faults.no_ping_ack import NoPingAck as NoPingAck
from pytest_netmocks.faults.no_settings_ack import NoSettingsAck as NoSettingsAck
from pytest_netmocks.faults.refuse import Refuse as Refuse
from pytest_netmocks.faults.refused import Refused as Refused
from pytest_netmocks.faults.reorder import Reorder as Reorder
from pytest_netmocks.faults.replace import Replace as Replace
from pytest_netmocks.faults.reset import Reset as Reset
from pytest_netmocks.faults.slice import Slice as Slice
from pytest_netmocks.faults.slow_close import SlowClose as SlowClose
from pytest_netmocks.faults.small_window import SmallWindow as SmallWindow
from pytest_netmocks.faults.stall import Stall as Stall
from pytest_netmocks.faults.unreachable import Unreachable as Unreachable

registry: dict[str, type[Fault]] = {
    name: kind
    for name, kind in list(vars().items())
    if isinstance(kind, type) and issubclass(kind, Fault) and kind is not Fault
}
