"""`Way`: a client's way through a proxy, from its question on; the answer to it goes before the tunnel's first byte."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Callable
from typing import Any

from pytest_netmocks.faults.base import DirectedFault, EndingFault
from pytest_netmocks.link.flows import NEVER, UP
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.tunnel.destinations import Found
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.rules.base import Verdict


@dataclasses.dataclass
class Way:
    """What a relay asks of the proxy that it is of."""

    journal: Journal
    addresses: Found
    told: Callable[[OSError | None], None]
    """Called once: the far end is reached, or why it is not."""
    trust: ssl.SSLContext | None = None
    upstream_host: str = ""


def answer(link: Link, verdict: Verdict[Any], head: bytes, *, opens: bool) -> None:
    """Give the answer, with the faults of the rules around it.

    `after_bytes` counts the tunnel's bytes that way, from its first on where the answer `opens` one; a fault that waits
    for none strikes in place of the answer.
    """
    start = link.written
    for injection, draws in verdict.in_force():
        fault = injection.fault
        upward = isinstance(fault, DirectedFault) and fault.direction == "upstream"
        waits = isinstance(fault, EndingFault) and bool(fault.after_bytes)
        if waits and not opens:
            continue
        if upward:
            link.arm(injection, payload=(link.awaited, NEVER), side=UP, also=verdict.struck, draws=draws)
        else:
            link.arm(injection, place=start, payload=(start + len(head), NEVER), also=verdict.struck, draws=draws)
    link.write(head)
