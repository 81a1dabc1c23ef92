"""Where the package's public names are that belong to no protocol; the table of protocols has the others."""

from __future__ import annotations

ELSEWHERE = {
    "ANY_PATH": "matchers",
    "AnyOf": "matchers",
    "Authority": "encryption.authority",
    "Certificate": "encryption.certificate",
    "Connection": "records.connection",
    "Datagram": "servers.datagram",
    "Injection": "injections.injection",
    "Kinds": "protocols.table",
    "Netmocks": "plugin.factory",
    "NetmocksWarning": "warned",
    "Not": "matchers",
    "Partial": "matchers",
    "Place": "sweeps.place",
    "VirtualClock": "virtual.clock",
    "WaitsForever": "virtual.forever",
    "async_sweep": "sweeps.run",
    "place": "sweeps.run",
    "server_fixture": "plugin.wider",
    "sweep": "sweeps.run",
    "virtual_time": "virtual.span",
}
"""The modules that have them."""
