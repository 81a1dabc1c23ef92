"""What only the kernel can do, in one place: resets, unsent bytes, listeners that keep their port.

Linux first. Where a trick does not exist elsewhere, its function does without, or says so by `OSError` or by a safe
answer. Who asks for what a system may not have asks here, or has the answer for those without beside it: `doors`,
`hangups`, `loop` (epoll), `peers` (netlink), `unix`, and the two rooms of the virtual clock, `kernel` and `library`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import sys
from typing import Any

from pytest_netmocks.link.calls import straight

SIOCOUTQNSD = 0x894B
"""Bytes in the send queue that were not sent yet, see linux/sockios.h."""

LINUX = sys.platform.startswith("linux")

WINDOWS = os.name == "nt"

END_OF_RECORD = getattr(socket, "MSG_EOR", 0) if LINUX else 0
"""The flag of send(2) after which the kernel joins nothing to what was sent: it is a segment of its own.

See tcp_sendmsg_locked() and tcp_skb_can_collapse_to() in Linux; elsewhere TCP has no such thing.
"""

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  # nothing is bound here
"""The addresses that are bound to mean all that the machine has."""

BACKLOG = 1024
"""Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn."""

LINGER_ZERO = struct.pack("hh" if WINDOWS else "ii", 1, 0)
"""The value of SO_LINGER that makes a close an RST."""

PEER_FINISHED = (6, 8, 9, 11)
"""States in which the peer's FIN is here: TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSING, see net/tcp_states.h."""

BOTH_FINISHED = (6, 9, 11)
"""Those in which ours has left too."""

GONE = (7,)
"""CLOSE: an RST has come."""


def unsent(sock: socket.socket) -> int:
    """Bytes that the peer's kernel cannot have yet. SIOCOUTQ would wait for delayed acknowledgements too.

    Where the kernel does not tell, 0: the reset may then overtake the last bytes.
    """
    if not LINUX:
        return 0
    import fcntl  # does not exist everywhere

    try:
        queued = fcntl.ioctl(sock.fileno(), SIOCOUTQNSD, b"\0\0\0\0")
    except OSError:
        return 0
    return int.from_bytes(queued, sys.byteorder)


def state(sock: socket.socket) -> int:
    """How far a TCP connection is, as a number of net/tcp_states.h; where the kernel does not tell, 0."""
    if not LINUX:
        return 0
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    except OSError:
        return 0


def unread(sock: socket.socket) -> int:
    """Bytes that have come and nobody has read, see FIONREAD in tcp(7); where the kernel does not tell, 1."""
    try:
        import fcntl  # does not exist everywhere
        import termios

        waiting = fcntl.ioctl(sock.fileno(), termios.FIONREAD, b"\0\0\0\0")
    except (ImportError, OSError):
        return 1
    return int.from_bytes(waiting, sys.byteorder)


def reset(sock: socket.socket) -> None:
    """Close with an RST: SO_LINGER with a time of zero, see socket(7)."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    sock.close()


def close(sock: socket.socket) -> None:
    """Close: with a FIN, unless bytes of the peer's are unread."""
    sock.close()


def shut_down_sending(sock: socket.socket) -> None:
    """Send the FIN; a peer that is gone already needs none."""
    try:  # noqa: SIM105  # each connection would pay for `suppress`
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def resolve(host: str, port: int, kind: socket.SocketKind) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    """The first address of a host for binding. Raises `OSError` naming the host."""
    try:
        socket.inet_pton(socket.AF_INET, host)  # the common case, ten times as fast as asking the resolver
    except (OSError, ValueError):
        pass
    else:
        return socket.AF_INET, (host, port)
    try:
        found = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise OSError(error.errno, f"host {host!r} has no address: {error.strerror}") from None
    except ValueError as error:  # what cannot be a name is none: UnicodeError is one of these too
        raise ValueError(f"host must be a host name or address, not {host!r}: {error}") from None
    family, _, _, _, address = found[0]
    return family, address


def named(error: OSError, what: str) -> OSError:
    """The same error, of the same class, with what it is about in its text."""
    return type(error)(error.errno, f"{what}: {error.strerror or error}")


def listening(host: str, port: int) -> socket.socket:
    """A TCP socket that is bound but does not listen yet, and keeps its port when it stops listening.

    An ephemeral port is found by one socket and bound explicitly by a second: a port that the kernel chose is lost
    by `shutdown`, see inet_csk_listen_stop() in Linux. The first is bound without SO_REUSEADDR, so that the kernel
    looks at every later one that wants the port (tb->fastreuse in inet_csk_get_port()); see `stop_listening`.
    Elsewhere two sockets that are bound alike cannot be (setsockopt(2) of the BSDs), and one is enough.
    """
    family, address = resolve(host, port, socket.SOCK_STREAM)
    try:
        if not LINUX:
            return _bound(family, address)
        if port:
            try:
                finder = _bound(family, address, share=False)
            except OSError:  # connections of a server that was there before are in its way, but not in ours
                return _bound(family, address)
        else:
            finder = _bound(family, address, share=False)
        with finder:
            _share(finder, share=True)
            return _bound(family, finder.getsockname())
    except OSError as error:
        raise named(error, f"cannot listen on {host} port {port}") from None


def _share(sock: socket.socket, *, share: bool) -> None:
    if not WINDOWS:  # there it lets others take a port that is in use
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, share)


def _bound(family: socket.AddressFamily, address: tuple[object, ...], *, share: bool = True) -> socket.socket:
    # With proto=0 accepted sockets have it too, and asyncio's transports leave Nagle's algorithm on.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setblocking(False)
        if share:  # else it never listens
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
            _share(sock, share=True)
        choose_families(sock, family, address)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock


def choose_families(sock: socket.socket, family: socket.AddressFamily, address: tuple[object, ...]) -> None:
    """On `::`, everything there is, clients of IPv4 are welcome too; any other address means itself alone.

    The `family` is the socket's, which takes microseconds to tell it.
    """
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address[0] != "::")


def stop_listening(sock: socket.socket) -> socket.socket:
    """Refuse from now on, but keep the port; connections that nobody accepted are reset. Gives the socket that has it.

    A bound socket that does not listen would share its port with any other that sets SO_REUSEADDR: it takes that back.
    Only Linux ends listening by shutdown(2); elsewhere a fresh socket takes the port, and the old one is closed, which
    is all that is left should somebody else have been faster.
    """
    if LINUX:
        _share(sock, share=False)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RD)
        return sock
    family, address = sock.family, sock.getsockname()
    sock.close()
    with contextlib.suppress(OSError):
        return _bound(family, address)
    return sock


def check_backlog() -> None:
    """Raise `OSError` where the kernel cannot make connecting hang."""
    if not LINUX:
        raise OSError(errno.ENOTSUP, "a connect that hangs needs Linux's accept queue; use Refuse or Blackhole here")


def fill_backlog(sock: socket.socket, address: Any) -> socket.socket:
    """Make connecting to that address hang: a backlog of none, and one connection of our own in it. Gives that one.

    Everything that waited must have been accepted before, and the kernel have such a thing: see `check_backlog`.
    """
    listen(sock, 0)
    filler = socket.socket(sock.family, sock.type, sock.proto)
    try:
        filler.setblocking(False)
        if sock.family == socket.AF_UNIX:
            filler.bind("")  # the kernel finds a name, by which it is known when it is accepted, see unix(7)
        filler.connect_ex(straight(address))
    except BaseException:
        filler.close()
        raise
    return filler


def is_connected(sock: socket.socket) -> bool:
    """Whether its connect() has come through."""
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def listen(sock: socket.socket, backlog: int) -> None:
    """Listen, again too: connections that were accepted before are on the same port and must not be in the way."""
    _share(sock, share=True)
    sock.listen(backlog)


def send_together(sock: socket.socket) -> None:
    """Let what is sent wait for the FIN that follows it, so that no client can act between the two (tcp(7), TCP_CORK).

    Where the kernel has no such option they may arrive one after the other.
    """
    if hasattr(socket, "TCP_CORK"):
        with contextlib.suppress(OSError):  # the client has gone
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)


def readable(number: int) -> bool:
    """Whether something can be read from the descriptor at once, or accepted; of a closed one (-1) nothing can."""
    if number < 0:
        return False
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([number], [], [], 0)[0])


def writable(number: int) -> bool:
    """Whether something can be written to the descriptor at once: a socket that was connecting is, or cannot be."""
    if number < 0:
        return False
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(number, select.POLLOUT)
        return bool(poll.poll(0))
    return bool(select.select([], [number], [], 0)[1])
