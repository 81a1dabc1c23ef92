"""`Front`: what clients of one kind reach a server by: a listener with its connections, or a socket with its datagrams.

    Server.fronts ---> StreamFront     listener, wires, a stack of layers for each connection
                  \\--> DatagramFront   sockets, one peer for each client address

Rules, faults, records and users' code are the server's. A front does what has to do with sockets, and says which
faults strike there. All fronts of a server have one port, and go up and down together. Example: a server of DNS has
both; `Loss` strikes its datagrams only, `Reset` its connections, `Latency` both (and `first=1` counts both together).

A server over TCP gets a second front by a `cached_property` that makes a `DatagramFront`, and by naming it in `fronts`.
"""

from __future__ import annotations

from typing import Protocol

from pytest_netmocks.faults.base import Fault
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link import loop as loops


class Front(Protocol):
    """But for `bind`, `serve` and `close_at_once`, every method belongs to the loop's thread."""

    # Faults

    def refusal(self, fault: Fault) -> str | None:
        """Why the fault makes no sense here, and what would; `None` if it does."""

    def refusal_on_a_rule(self, fault: Fault) -> str | None:
        """As `refusal`, for a rule's faults."""

    def strike(self, injection: Injection) -> None:
        """What a new injection does to what is there already."""

    def release(self, injection: Injection) -> None:
        """What lifting an injection does to what is there."""

    # Going up and down

    def bind(self, thread: loops.LoopThread, host: str, port: int) -> int:
        """Take the port, in the caller's thread; gives its number. Raises an `OSError` that names the address."""

    def serve(self, thread: loops.LoopThread) -> None:
        """Let clients in, in the caller's thread."""

    def give_back(self) -> None:
        """Give the port back that nobody was served on."""

    def close_at_once(self) -> bool:
        """End it in the caller's thread, if nobody is there and the system allows it; whether it has ended."""

    def halt(self) -> None:
        """End what is open and refuse who comes; keep the port."""

    def resume(self) -> None:
        """Let clients in again."""

    def end_all(self) -> None:
        """End what is open."""

    def finish(self) -> None:
        """End what is open, and give the port back."""

    def abandon(self) -> None:
        """In a forked child: close the descriptors without a word to peers or loop."""

    # What has come and waits in the kernel

    def may_wait(self) -> bool:
        """Whether something of a client's may wait; in any thread."""

    def drain(self) -> None:
        """Take what waits."""
