"""TLS over blocking sockets: what it wants to read or write is waited for by the clock."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Iterator
from typing import Any

from pytest_netmocks.virtual.alarm import IN, OUT
from pytest_netmocks.virtual.patches.sockets import peer_of, timed, unblocked

METHODS = ("read", "write", "send", "do_handshake", "unwrap")


def _waits(name: str) -> Any:
    real = getattr(ssl.SSLSocket, name)

    @functools.wraps(real)
    def method(self: ssl.SSLSocket, *args: Any, **kwargs: Any) -> Any:
        by = timed(self) if self._sslobj is not None else None  # type: ignore[attr-defined]
        if by is None:
            return real(self, *args, **kwargs)
        running, timeout = by
        deadline = None if timeout is None else running.now() + timeout

        def called() -> str:
            return f"{name}() of TLS over {peer_of(self)}"

        with unblocked(self, timeout):
            while True:
                try:
                    return real(self, *args, **kwargs)
                except ssl.SSLWantReadError:
                    events = IN
                except ssl.SSLWantWriteError:
                    events = OUT
                left = None if deadline is None else deadline - running.now()
                if not running.wait_for([(self.fileno(), events)], left, called):
                    raise TimeoutError(f"The {name} operation timed out")

    return method


def patches() -> Iterator[tuple[object, str, object]]:
    """All of them."""
    for name in METHODS:
        yield ssl.SSLSocket, name, _waits(name)
