"""`ProxyHeader`: what a proxy says of the connection that it passes on, as the PROXY protocol has it."""

from __future__ import annotations

import dataclasses
from typing import Literal

from pytest_netmocks.records.addresses import Address, describe_address

Family = Literal["TCP4", "TCP6", "UDP4", "UDP6", "UNIX", "UNKNOWN"]


@dataclasses.dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A PROXY header (HAProxy's proxy-protocol.txt) that has come before a connection's own bytes.

    `source` and `destination` are the two ends of the connection that the proxy has accepted, `None` where it does not
    say (`UNKNOWN`, `LOCAL`). Of a UNIX socket they are `("unix:/path", 0)`. `tlvs` are the further fields of version 2,
    each with its type, as they came: nothing in them is looked at.
    """

    version: Literal[1, 2]
    """Of the protocol: 1 is text, 2 binary."""
    command: Literal["PROXY", "LOCAL"]
    family: Family
    """What the addresses are of."""
    source: Address | None = None
    destination: Address | None = None
    tlvs: tuple[tuple[int, bytes], ...] = ()

    def describe(self) -> str:
        """What it says, in words."""
        if self.source is None or self.destination is None:
            said = "speaks for itself" if self.command == "LOCAL" else "does not say whose the connection is"
            return f"a PROXY header (version {self.version}): the proxy {said}"
        ends = f"{describe_address(self.source)} to {describe_address(self.destination)}"
        return f"a PROXY header (version {self.version}): from {ends}, {self.family}"
