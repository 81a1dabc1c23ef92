"""Which of the machine's addresses a datagram came to: a client that asked one address takes no answer from another.

A socket bound to all addresses would answer from the one that the route prefers; see IP_PKTINFO in ip(7) and
IPV6_RECVPKTINFO in ipv6(7).
"""

from __future__ import annotations

import errno
import socket
import struct

from pytest_netmocks.link import kernel
from pytest_netmocks.link.calls import send_straight, straight
from pytest_netmocks.records.addresses import Address

IP_PKTINFO = 8
"""Linux's number, which the socket module does not know in every version."""


class Arrivals:
    """The addresses at which the clients of one socket ask."""

    def __init__(self) -> None:
        self._asked: dict[Address, tuple[int, int, bytes]] = {}

    @staticmethod
    def matter(address: Address) -> bool:
        """Whether a socket that is bound there has to know, and can."""
        return address[0] in kernel.EVERYWHERE and kernel.LINUX

    @staticmethod
    def prepare(sock: socket.socket) -> None:
        """Ask the kernel to tell."""
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)

    def receive(self, sock: socket.socket, size: int) -> tuple[bytes, Address]:
        """As `recvfrom`; where it came to is kept. Raises what that raises."""
        data, told, _, address = sock.recvmsg(size, socket.CMSG_SPACE(20))
        for level, kind, info in told:
            if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
                self._asked[address] = level, kind, struct.pack("=I4s4s", 0, info[4:8], bytes(4))
            elif (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
                self._asked[address] = level, kind, info
        return data, address

    def send(self, sock: socket.socket, data: bytes, address: Address) -> None:
        """As `sendto`, from where that client has asked. Raises what that raises."""
        asked = self._asked.get(address)
        if asked is not None:
            try:
                sock.sendmsg([data], [asked], 0, straight(address))
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.EADDRNOTAVAIL, errno.ENETUNREACH):
                    raise
                del self._asked[address]  # a broadcast address, say, from which nothing can be sent
            else:
                return
        send_straight(sock, data, address)
