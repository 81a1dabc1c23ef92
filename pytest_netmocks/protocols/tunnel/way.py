"""`Way`: a client's way through a proxy to a far end."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Callable

from pytest_netmocks.protocols.tunnel.destinations import Found
from pytest_netmocks.records.journal import Journal


@dataclasses.dataclass
class Way:
    """What a relay asks of the proxy that it is of."""

    journal: Journal
    addresses: Found
    told: Callable[[OSError | None], None]
    """Called once: the far end is reached, or why it is not."""
    trust: ssl.SSLContext | None = None
    upstream_host: str = ""
    proxy_protocol: None = None
