"""Whether a client that has sent its FIN still has its socket: it may wait for an answer, or be gone for good.

A FIN does not say. On loopback the client's socket is the same kernel's, which is asked for it: sock_diag(7) gives
the inode of a socket that some process has, and 0 for one that nobody has any more. Nothing is sent to find out.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import struct

NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
NLMSG_ERROR = 2

_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI")
_PORTS = struct.Struct("!HH16s16s")
_ANY = struct.pack("=I8s", 0, b"\xff" * 8)
"""No interface, and INET_DIAG_NOCOOKIE."""

_INODE = _HEADER.size + 4 + _PORTS.size + len(_ANY) + 16
"""Where `idiag_inode` is in the answer, see linux/inet_diag.h."""

End = tuple[str, int]


def has_closed(sock: socket.socket) -> bool:
    """Whether no process has the other end of the connection any more; `False` where nobody can tell."""
    if sock.family == getattr(socket, "AF_UNIX", None):
        return _has_hung_up(sock)
    try:
        ours, theirs = _end(sock.getsockname()), _end(sock.getpeername())
    except (OSError, ValueError):
        return False
    inode = _inode(theirs, ours)
    if inode is None:  # not of this machine, or forgotten already
        return ipaddress.ip_address(theirs[0]).is_loopback and bool(_inode(ours, theirs))
    return inode == 0


def _has_hung_up(sock: socket.socket) -> bool:
    """The same of a UNIX socket, whose poll(2) tells a close (POLLHUP) from an end that may still read (POLLRDHUP).

    After an end of ours the two are alike there, and nobody can tell.
    """
    if not hasattr(select, "POLLRDHUP"):
        return False
    poll = select.poll()
    poll.register(sock.fileno(), select.POLLRDHUP)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


def _end(address: tuple[object, ...]) -> End:
    host = ipaddress.ip_address(str(address[0]).partition("%")[0])
    mapped = host.ipv4_mapped if isinstance(host, ipaddress.IPv6Address) else None
    return str(mapped or host), int(str(address[1]))


def _inode(local: End, remote: End) -> int | None:
    """The inode of the socket with these ends, `None` if the kernel knows of none."""
    family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
    ends = _PORTS.pack(
        local[1], remote[1], *(socket.inet_pton(family, host).ljust(16, b"\0") for host, _ in (local, remote))
    )
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, 0xFFFFFFFF) + ends + _ANY
    head = _HEADER.pack(_HEADER.size + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG) as asking:
            asking.setblocking(False)
            asking.send(head + request)
            answer = asking.recv(1024)
    except (OSError, AttributeError):  # another system, or a sandbox
        return None
    if len(answer) < _INODE + 4 or _HEADER.unpack_from(answer)[1] == NLMSG_ERROR:
        return None
    found: int = struct.unpack_from("=I", answer, _INODE)[0]
    return found
