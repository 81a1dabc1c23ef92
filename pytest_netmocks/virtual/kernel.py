"""What the kernel knows of the other ends: in this process or another, and whether something is on its way to them.

Linux tells all of it: /proc/self/fd, SO_PEERCRED, TCP_INFO. Elsewhere an end on another host counts as foreign and
every other as ours, and what loopback was given counts as arrived.
"""

from __future__ import annotations

import _socket
import contextlib
import ipaddress
import os
import socket
import stat
import struct
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_netmocks import clock
from pytest_netmocks.link.kernel import EVERYWHERE, LINUX

FAMILIES = (socket.AF_INET, socket.AF_INET6)

TRANSIT = 1.0
"""Real seconds in which what was sent has to arrive: what a full reader throws away never does."""

HEARING = (1, 2, 3, 4, 5)
"""States in which a peer can send: ESTABLISHED, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, see net/tcp_states.h."""

_DESCRIPTORS = "/proc/self/fd"

_SEGMENTS_UNACKED = struct.Struct("=24xI")
_BYTES_RECEIVED = struct.Struct("=128xQ")
_BYTES_SENT = struct.Struct("=200xQQ")
"""Fields of struct tcp_info in linux/tcp.h: tcpi_unacked; tcpi_bytes_received; tcpi_bytes_sent, tcpi_bytes_retrans."""

_INFO_SIZE = 216
_TCP_INFO = getattr(socket, "TCP_INFO", 0)

Address = tuple[str, int]


@contextlib.contextmanager
def _borrowed(number: int) -> Iterator[_socket.socket]:
    """A socket object for a descriptor that stays another's. Raises `OSError` if it is no socket."""
    sock = _socket.socket(fileno=number)
    try:
        yield sock
    finally:
        sock.detach()


def _plain(address: Any) -> Address:
    """Host and port, IPv4 as IPv4 also where IPv6 carries it."""
    return str(address[0]).removeprefix("::ffff:").partition("%")[0], int(address[1])


class Ends:
    """Who is at the other end of the descriptors that threads wait for; what was found is remembered per socket."""

    def __init__(self) -> None:
        self._foreign: dict[tuple[int, int], bool] = {}
        self._spoken_to: dict[int, Address] = {}
        """Whom an unconnected socket has sent to last, by its inode."""
        self._transit: float | None = None
        self._others: dict[int, tuple[int, int, int]] = {}
        """The other end of TCP sockets, and both inodes: descriptors are given away again."""

    # Foreign ends

    def foreign(self, number: int) -> bool:
        """Whether somebody outside of this process may end a wait for the descriptor."""
        try:
            status = os.fstat(number)
        except OSError:
            return False
        if stat.S_ISREG(status.st_mode):
            return False
        is_socket = stat.S_ISSOCK(status.st_mode)
        if not is_socket and not stat.S_ISFIFO(status.st_mode):
            return self._is_foreign_file(number)
        key = status.st_dev, status.st_ino
        known = self._foreign.get(key)
        if known is None:
            known = self._is_foreign_socket(number, status.st_ino) if is_socket else not _has_two_ends(status.st_ino)
            if known is None:  # not yet connected: it may become either
                return False
            self._foreign[key] = known
        return known

    def speaks_to(self, sock: socket.socket, address: object) -> None:
        """An unconnected socket sends there: answers come from there."""
        if sock.family in FAMILIES and isinstance(address, tuple):
            inode = os.fstat(sock.fileno()).st_ino
            self._spoken_to[inode] = _plain(address)

    def _is_foreign_file(self, number: int) -> bool:
        if not LINUX:
            return False
        try:
            name = os.readlink(f"{_DESCRIPTORS}/{number}")
        except OSError:
            return False
        if name == "anon_inode:[eventpoll]":
            return any(self.foreign(inner) for inner in _inside(number))
        # A timer's descriptor, a child's, a terminal, a watched folder: none of them waits for our clock.
        return name != "anon_inode:[eventfd]"

    def _is_foreign_socket(self, number: int, inode: int) -> bool | None:
        try:
            with _borrowed(number) as sock:
                if sock.family not in FAMILIES:
                    return _is_of_another_process(sock, inode)
                if sock.type == socket.SOCK_STREAM and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    return False
                if sock.type == socket.SOCK_STREAM and not _may_hear(number):
                    return False
                peer = self._peer_of(sock, inode)
        except OSError:
            return False
        if peer is None:
            return None
        return not _is_ours(peer)

    def _peer_of(self, sock: _socket.socket, inode: int) -> Address | None:
        try:
            return _plain(sock.getpeername())
        except OSError:
            if sock.type == socket.SOCK_DGRAM:
                return self._spoken_to.get(inode)
            return _connecting_to(inode)

    # On its way

    def under_way(self, numbers: Iterable[int]) -> bool:
        """Whether bytes of one of these TCP sockets have left and are not at their other end, which is here too.

        Of all that are waited for at once: nothing is under way for longer than `TRANSIT`.
        """
        if not LINUX:
            return False
        for number in numbers:
            info = _info(number)
            if info is not None and _SEGMENTS_UNACKED.unpack_from(info)[0] and self._left_only(number, info):
                now = clock.real_now()
                self._transit = self._transit or now
                return now - self._transit < TRANSIT
        self._transit = None
        return False

    def _left_only(self, number: int, info: bytes) -> bool:
        """Whether the other end, if it is here, has not got all that this one sent: an acknowledgement may be late."""
        sent, again = _BYTES_SENT.unpack_from(info)
        other = self._other_end(number)
        got = _info(other) if other is not None else None
        return got is not None and bool(_BYTES_RECEIVED.unpack_from(got)[0] < sent - again)

    def _other_end(self, number: int) -> int | None:
        """The descriptor at the other end of a TCP connection, if it is here."""
        with contextlib.suppress(OSError):
            known = self._others.get(number)
            if known is not None and known[1:] == (_inode(number), _inode(known[0])):
                return known[0]
            found = _find_other_end(number)
            if found is not None:
                self._others[number] = found, _inode(number), _inode(found)
            return found
        return None


def _inode(number: int) -> int:
    return os.fstat(number).st_ino


def _find_other_end(number: int) -> int | None:
    with _borrowed(number) as sock:
        ours, peer = sock.getsockname(), sock.getpeername()
    for other in _descriptors():
        with contextlib.suppress(OSError), _borrowed(other) as end:
            if end.family in FAMILIES and end.getsockname() == peer and end.getpeername() == ours:
                return other
    return None


def _may_hear(number: int) -> bool:
    """Whether something may still come over a TCP connection: its other end has not finished and is not gone."""
    info = _info(number)
    return info is None or info[0] in HEARING


def _info(number: int) -> bytes | None:
    """TCP_INFO of the descriptor, `None` if it is no TCP socket or the kernel is too old to tell all."""
    # Of what kind it is is not asked, which would be slow: this is the hot path of every jump.
    try:
        sock = _socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, number)
        try:
            info = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _INFO_SIZE)
        finally:
            sock.detach()
    except OSError:
        return None
    return info if len(info) == _INFO_SIZE else None


def _descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir(_DESCRIPTORS)]
    except OSError:
        return []


def _inside(number: int) -> list[int]:
    """The descriptors that an epoll looks after."""
    with contextlib.suppress(OSError), open(f"/proc/self/fdinfo/{number}") as lines:
        return [int(line.split()[1]) for line in lines if line.startswith("tfd:")]
    return []


def _has_two_ends(inode: int) -> bool:
    """Whether this process has a pipe more than once: if only one end is here, the other is somebody else's."""
    if not LINUX:
        return True
    ends = 0
    for number in _descriptors():
        with contextlib.suppress(OSError):
            ends += os.fstat(number).st_ino == inode
    return ends > 1


def _is_of_another_process(sock: _socket.socket, inode: int) -> bool:
    if not hasattr(socket, "SO_PEERCRED") or sock.family != socket.AF_UNIX:
        return False
    peer = _peer_of_unix_socket(inode)
    if peer:
        return not any(_is_inode_of(number, peer) for number in _descriptors())
    process, _, _ = struct.unpack("=iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return process not in (0, os.getpid())  # who made it, or listens


def _is_inode_of(number: int, inode: int) -> bool:
    try:
        return _inode(number) == inode
    except OSError:
        return False


_DIAG = struct.Struct("=IHHII BBHIIIII")
"""struct nlmsghdr and struct unix_diag_req, see sock_diag(7)."""

_ATTRIBUTE = struct.Struct("=HHI")
_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, _SHOW_PEER, _PEER, _ANY = 4, 20, 1, 4, 2, 0xFFFFFFFF


def _peer_of_unix_socket(inode: int) -> int | None:
    """The inode of a UNIX socket's other end, 0 if nobody has it; `None` if the kernel does not tell."""
    request = _DIAG.pack(
        _DIAG.size,
        _SOCK_DIAG_BY_FAMILY,
        _NLM_F_REQUEST,
        0,
        0,
        socket.AF_UNIX,
        0,
        0,
        _ANY,
        inode,
        _SHOW_PEER,
        _ANY,
        _ANY,
    )
    try:
        with contextlib.closing(_socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)) as diag:
            diag.settimeout(TRANSIT)
            diag.sendto(request, (0, 0))
            answer = diag.recv(4096)
    except (OSError, AttributeError):
        return None
    at = 32  # behind struct nlmsghdr and struct unix_diag_msg
    while at + _ATTRIBUTE.size <= len(answer):
        size, kind, peer = _ATTRIBUTE.unpack_from(answer, at)
        if kind == _PEER:
            return int(peer)
        at += max(4, (size + 3) & ~3)
    return None


def _is_ours(peer: Address) -> bool:
    """Whether a socket of this process has that address, or listens on every one."""
    if not LINUX:
        return ipaddress.ip_address(peer[0]).is_loopback
    host, port = peer
    for number in _descriptors():
        with contextlib.suppress(OSError), _borrowed(number) as sock:
            if sock.family not in FAMILIES:
                continue
            name, its_port = _plain(sock.getsockname())
            if its_port == port and (name == host or name in EVERYWHERE):
                return True
    return False


def _connecting_to(inode: int) -> Address | None:
    """Where a TCP socket is connecting to, see /proc/net/tcp in proc(5); `None` if it is not."""
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        with contextlib.suppress(OSError), open(f"/proc/net/{name}") as lines:
            next(lines, None)
            for line in lines:
                cells = line.split()
                if cells[9] == str(inode) and cells[3] == "02":  # TCP_SYN_SENT
                    host, _, port = cells[2].partition(":")
                    words = struct.unpack(f">{len(host) // 8}I", bytes.fromhex(host))
                    packed = struct.pack(f"={len(words)}I", *words)
                    return _plain((socket.inet_ntop(family, packed), int(port, 16)))
    return None
