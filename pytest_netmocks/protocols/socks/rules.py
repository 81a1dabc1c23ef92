"""`SocksRule`: which requests are meant, and what they get instead of the usual."""

from __future__ import annotations

import dataclasses
import re
from typing import Self

from pytest_netmocks import check
from pytest_netmocks.faults.base import DatagramFault, Fault, SpoilingFault, StreamFault
from pytest_netmocks.matchers import fits_text
from pytest_netmocks.names.targets import Target, targets_of
from pytest_netmocks.protocols.socks.records import SocksRequest
from pytest_netmocks.rules.base import Rule
from pytest_netmocks.rules.commands import Wanted, check_wanted

REPLIES = {
    "succeeded": 0,
    "general failure": 1,
    "not allowed": 2,
    "network unreachable": 3,
    "host unreachable": 4,
    "connection refused": 5,
    "TTL expired": 6,
    "command not supported": 7,
    "address type not supported": 8,
}
"""The names of the replies, and how SOCKS5 says them (RFC 1928, section 6)."""

NAMES = {code: name for name, code in REPLIES.items()}

COMMANDS = {1: "CONNECT", 2: "BIND", 3: "UDP ASSOCIATE"}


@dataclasses.dataclass(frozen=True)
class SocksAnswer:
    """A reply's code, where the tunnel goes instead, or raw bytes; and how long it takes."""

    code: int | None
    to: tuple[Target, ...]
    raw: bytes | None
    delay: float


class SocksRule(Rule[SocksAnswer]):
    """What `when` of a SOCKS proxy begins."""

    counts = "requests"

    def __init__(self, label: str, command: str | None = None, destination: Wanted = None) -> None:
        super().__init__(label, lambda request: _meant(request, command, destination))
        self._command = command

    def wrong_way(self, fault: Fault) -> str | None:
        """A tunnel has both directions."""
        return None

    def refusal(self, fault: Fault) -> str | None:
        """What strikes answers of a protocol has nothing to strike in a tunnel."""
        if isinstance(fault, SpoilingFault) or not isinstance(fault, StreamFault):
            kind = "datagrams" if isinstance(fault, DatagramFault) else "answers"
            return f"{fault!r} strikes {kind}, and {self.label} is about a tunnel: use Reset, Close, Latency or reply()"
        return super().refusal(fault)

    def reply(
        self,
        reply: str | int | None = None,
        *,
        raw: bytes | None = None,
        times: int | None = None,
        delay: float = 0.0,
    ) -> Self:
        """Answer with this reply instead of connecting: its name (`"host unreachable"`) or number, 1 to 255.

        `raw` bytes go out as they are. SOCKS4 knows one refusal only, which stands for all of them. The answer is given
        after `delay` seconds, `times` times (1 unless it is the last), and the connection ends with it. Raises
        `TypeError` or `ValueError` that names the argument.
        """
        if (reply is None) == (raw is None):
            raise TypeError("reply() needs one of a reply such as 'host unreachable' and raw= bytes")
        check.instance("raw", raw, (bytes, type(None)), "bytes")
        check.number("delay", delay, unit="seconds", minimum=0)
        return self._add(SocksAnswer(None if reply is None else _code(reply), (), raw, delay), times)

    def tunnel(self, to: object, *, times: int | None = None, delay: float = 0.0) -> Self:
        """Connect there instead: a server, or a pair of an IP address and a port.

        Raises `TypeError` or `ValueError` that names the argument, and `ValueError` on a rule for another command.
        """
        if self._command not in (None, "CONNECT"):
            raise ValueError(
                f"{self.label} makes no connection that could lead elsewhere: use when('CONNECT') or reply()"
            )
        targets = targets_of("to", to)
        if not targets or any(not target.port for target in targets):
            raise ValueError(f"to must be a server, or a pair of an IP address and a port, not {to!r}")
        check.number("delay", delay, unit="seconds", minimum=0)
        return self._add(SocksAnswer(None, targets, None, delay), times)


def _code(reply: object) -> int:
    if isinstance(reply, str):
        check.one_of("reply", reply, [name for name in REPLIES if name != "succeeded"])
        return REPLIES[reply]
    check.whole("reply", reply, unit="a reply of RFC 1928, section 6, or its name", minimum=1, maximum=255)
    assert isinstance(reply, int)
    return reply


def _meant(request: SocksRequest, command: str | None, destination: Wanted) -> bool:
    if command is not None and request.command != command:
        return False
    return destination is None or fits_text(destination, request.destination, request.host)


def check_when(command: object, destination: object) -> tuple[str | None, Wanted]:
    """What `when` was given. Raises `TypeError` or `ValueError` that names the argument."""
    if command is not None:
        check.instance("command", command, str, "the name of a command, or None")
        check.one_of("command", str(command).upper(), COMMANDS.values())
        command = str(command).upper()
    check_wanted("destination", destination)
    assert destination is None or not isinstance(destination, re.Pattern) or isinstance(destination.pattern, str)
    return command, destination  # type: ignore[return-value]  # it was looked at
