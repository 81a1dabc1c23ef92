"""Recordings of servers with all that passes on their wires, and what tshark makes of the captures of them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
import subprocess
from collections.abc import Iterator

from pytest_netmocks.reports.recording import Recording
from pytest_netmocks.reports.tape import Room, Tape, recording_of
from pytest_netmocks.servers.server import Server

ERROR = "8388608"
"""The severity of an error among tshark's expert information (PI_ERROR)."""

CHECKSUMS = [f"{name}.check_checksum:TRUE" for name in ("ip", "tcp", "udp")]


@contextlib.contextmanager
def recorded(*servers: Server, wire: bool = True, title: str = "") -> Iterator[Recording]:
    """A recording that is there when the block has ended; the servers are closed by then."""
    room = Room(64 << 20)
    tapes = [Tape(server, room, wire=wire) for server in servers]
    found = Recording()
    try:
        yield found
    finally:
        for server in servers:
            server.settle()
            server.close()
    made = recording_of([(tape.server, *tape.take()) for tape in tapes], title=title)
    for field in dataclasses.fields(found):
        setattr(found, field.name, getattr(made, field.name))


@functools.cache
def of_clients_ports() -> list[str]:
    """Protocols that Wireshark knows by ports that a kernel gives to clients, see ip(7), `ip_local_port_range`."""
    told = subprocess.run(["tshark", "-G", "decodes"], capture_output=True, text=True, check=True, timeout=120).stdout
    rows = [line.split("\t") for line in told.splitlines()]
    return sorted({row[2] for row in rows if row[0] in ("tcp.port", "udp.port") and int(row[1]) >= 32768})


class Capture:
    """A file that tshark reads."""

    def __init__(self, path: pathlib.Path, *decode: str) -> None:
        self.path = path
        self._decode = decode

    def run(self, *arguments: str) -> str:
        """What tshark says. It fails the test if tshark does."""
        told = [part for option in CHECKSUMS for part in ("-o", option)]
        told += [part for layer in self._decode for part in ("-d", layer)]
        told += [part for name in of_clients_ports() for part in ("--disable-protocol", name)]
        command = ["tshark", "-n", "-r", str(self.path), *told, *arguments]
        result = subprocess.run(command, capture_output=True, check=False, timeout=120)
        said = [line for line in result.stderr.decode().splitlines() if "Running as user" not in line]
        assert result.returncode == 0, said
        assert said == []
        return result.stdout.decode(errors="surrogateescape")

    def rows(self, *fields: str, where: str = "") -> list[tuple[str, ...]]:
        """The fields of each packet; of those that a packet has more than once all, with `|` between."""
        asked = [part for field in fields for part in ("-e", field)]
        chosen = ["-Y", where] if where else []
        lines = self.run("-T", "fields", "-E", "aggregator=|", *chosen, *asked).splitlines()
        return [tuple(line.split("\t")) for line in lines]

    def column(self, field: str, where: str = "") -> list[str]:
        """One field of each packet."""
        return [row[0] for row in self.rows(field, where=where)]

    def payload(self, where: str) -> bytes:
        """What TCP carried in those packets."""
        return b"".join(bytes.fromhex(data) for data in self.column("tcp.payload", where))

    def complaints(self) -> list[tuple[str, ...]]:
        """What is malformed, and errors."""
        where = f'_ws.malformed || _ws.expert.severity == {ERROR} || frame.comment contains "malformed"'
        return self.rows("frame.number", "_ws.expert.message", where=where)
