"""What asyncio's transports have and faults do not touch."""

from __future__ import annotations

import asyncio
import socket as sockets
from typing import Any

from pytest_netmocks.link.application import Application
from pytest_netmocks.link.ports import Above, Below
from pytest_netmocks.link.wire import HIGH


class TransportBase(asyncio.Transport):
    """The part of a link that only tells and is told."""

    __slots__ = ("__weakref__", "_above", "_below", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._below: Below
        self._above: Above | None = None
        self._extra: dict[str, Any]  # of asyncio's

    @property
    def socket(self) -> sockets.socket | None:
        """The socket at the bottom."""
        return self._below.socket

    @property
    def closed(self) -> bool:
        """Whether there is no connection any more."""
        return self._below.closed

    @property
    def deserted(self) -> bool:
        """Whether no process has the other end any more."""
        return self._below.deserted

    def writelines(self, list_of_data: Any) -> None:
        """Send pieces as one."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """A byte stream can be half-closed."""
        return True

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low and high water marks in bytes."""
        return HIGH // 4, HIGH

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The wire's marks are fixed; asking for others changes nothing."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """`peername`, `sockname`, `socket`, `connection` and what the layers add."""
        if name == "socket":
            return self._below.socket
        return self._extra.get(name, default)

    def add_extra(self, **extra: Any) -> None:
        """What `get_extra_info` gives from now on."""
        self._extra = {**self._extra, **extra}

    def let_go(self) -> None:
        """The protocol has heard of the end."""

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand what comes to another protocol from now on."""
        self._above = Application(self._loop, protocol, self)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol above; who asks is one, so that no layer stands there."""
        assert isinstance(self._above, Application)
        return self._above.protocol  # type: ignore[no-any-return]  # held as Any, for its optional methods
