"""Captures for Wireshark (pcapng), with the keys of TLS inside.

Nothing was captured: the packets are made of what the servers' sockets did, and the file says so. Addresses, times,
bytes, FINs and RSTs are as they were; SYNs, acknowledgements and where segments begin are as they could have been.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_netmocks import __version__
from pytest_netmocks.reports.capture import blocks
from pytest_netmocks.reports.capture.conversation import Conversations, names
from pytest_netmocks.reports.capture.talk import UP, Packet
from pytest_netmocks.reports.recording import Recording

APPLICATION = "pytest-netmocks"

SYNTHESISED = (
    "Synthesised from what the servers' sockets did; no packet was captured. Addresses, times, bytes, FINs and RSTs "
    "are as they were; SYNs, acknowledgements and the sizes of segments are made up."
)


def write(recordings: Sequence[Recording]) -> bytes:
    """The capture: a section for each recording."""
    return b"".join(_section(recording) for recording in recordings)


def _section(recording: Recording) -> bytes:
    conversations = Conversations(recording)
    packets = conversations.packets()
    made = [blocks.section([blocks.comment(_about(recording, conversations)), _application()])]
    numbers: dict[object, int] = {}
    for one, (name, description) in zip(recording.servers, names(recording), strict=True):
        numbers[one.get("id")] = len(numbers)
        made.append(blocks.interface([blocks.text(blocks.NAME, name), blocks.text(blocks.DESCRIPTION, description)]))
    for packet in packets:
        if packet.server not in numbers:
            numbers[packet.server] = len(numbers)
            made.append(blocks.interface([]))
    if keys := conversations.keys():
        made.append(blocks.secrets(keys))
    made += [_packet(packet, numbers[packet.server]) for packet in packets]
    return b"".join(made)


def _application() -> blocks.Option:
    return blocks.text(blocks.APPLICATION, f"{APPLICATION} {__version__}")


def _packet(packet: Packet, number: int) -> bytes:
    flags = blocks.INBOUND if packet.way == UP else blocks.OUTBOUND
    options = [(blocks.FLAGS, flags.to_bytes(4, "little")), *map(blocks.comment, packet.said())]
    return blocks.packet(number, max(0, packet.at), packet.data, packet.size, options)


def _about(recording: Recording, conversations: Conversations) -> str:
    lines = [SYNTHESISED]
    if recording.virtual:
        lines.append("Times are virtual.")
    if bare := conversations.bare():
        which = ", ".join(f"{number}" for number in bare)
        lines.append(f"TLS was taken off, for what it carried was kept and not the cipher text: connections {which}.")
    facts = {name: getattr(recording, name) for name in ("title", "place", "outcome", "cause")}
    lines += [f"{name}: {value}" for name, value in facts.items() if value]
    return "\n".join([*lines, *recording.notes])
