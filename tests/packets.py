"""A capture of loopback's packets, where the process may have one: the proof of what is really on the wire."""

from __future__ import annotations

import ctypes
import dataclasses
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

import pytest

ETH_P_ALL = 3
SO_TIMESTAMPNS = 35
"""Has the kernel say when it saw a packet (socket(7), and asm-generic/socket.h)."""
PACKET_OUTGOING = 4
SO_ATTACH_FILTER = 26
FIN, SYN, RST, ACK = 1, 2, 4, 16


@dataclasses.dataclass(frozen=True)
class Packet:
    at: float
    source: int
    target: int
    flags: int
    payload: int

    def has(self, flag: int) -> bool:
        return bool(self.flags & flag)


def only(port: int) -> bytes:
    """A filter of the kernel's for packets of IPv4 from and to that port, see linux/filter.h.

    All of loopback would come else, and what others say there fills the queue: packets of ours were lost.
    """
    program = [
        (0xB1, 0, 0, 0),  # x = the length of the header of IP
        (0x48, 0, 0, 0),  # a = the source's port
        (0x15, 2, 0, port),
        (0x48, 0, 0, 2),  # a = the target's
        (0x15, 0, 1, port),
        (0x06, 0, 0, 0xFFFF),  # take it
        (0x06, 0, 0, 0),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in program)


class Capture:
    """The TCP packets of one port, in order, each but once; a context manager.

    A busy kernel sends again what is not acknowledged in time (RFC 8985, tail loss probes): that is nothing of ours.
    """

    def __init__(self, port: int) -> None:
        if not hasattr(socket, "AF_PACKET"):
            pytest.skip("packet captures need Linux's AF_PACKET")
        try:
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        except PermissionError:
            pytest.skip("packet captures need CAP_NET_RAW, which this process does not have")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        steps = ctypes.create_string_buffer(program := only(port), len(program))
        filtering = struct.pack("HP", len(program) // 8, ctypes.addressof(steps))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filtering)
        self._socket.bind(("lo", ETH_P_ALL))
        self._socket.settimeout(0.05)
        self._port = port
        self._stop = False
        self._changed = threading.Condition()
        self._seen: set[tuple[int, int, int, int, int]] = set()
        self.packets: list[Packet] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Capture:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop = True
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._stop:
            try:
                data, told, _, address = self._socket.recvmsg(200, socket.CMSG_SPACE(16))
            except TimeoutError:
                continue
            if address[2] == PACKET_OUTGOING or data[0] >> 4 != 4 or data[9] != socket.IPPROTO_TCP:
                continue
            header = (data[0] & 15) * 4
            source, target = struct.unpack_from("!HH", data, header)
            if self._port not in (source, target):
                continue  # it came before the filter did
            total = struct.unpack_from("!H", data, 2)[0]
            offset = (data[header + 12] >> 4) * 4
            seconds, nanoseconds = struct.unpack("ll", told[0][2])
            packet = Packet(seconds + nanoseconds / 1e9, source, target, data[header + 13], total - header - offset)
            sequence = struct.unpack_from("!I", data, header + 4)[0]
            sent = (source, target, sequence, packet.flags & (FIN | SYN | RST), packet.payload)
            if (packet.payload or packet.has(FIN) or packet.has(SYN)) and sent in self._seen:
                continue
            self._seen.add(sent)
            with self._changed:
                self.packets.append(packet)
                self._changed.notify_all()

    def wait_for(self, predicate: Callable[[list[Packet]], object], timeout: float = 30.0) -> list[Packet]:
        """The packets so far, once the predicate is true of them."""
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self.packets), timeout):
                raise TimeoutError(f"not seen on the wire; what was: {self.packets}")
            return list(self.packets)

    def from_server(self) -> list[Packet]:
        with self._changed:
            return [packet for packet in self.packets if packet.source == self._port]
