"""The edges: where in a conversation clients break first. What a protocol's own parts are, its server says."""

from __future__ import annotations

from pytest_netmocks.encryption.hello import record_ends
from pytest_netmocks.sweeps.arm import Arm
from pytest_netmocks.sweeps.place import Group
from pytest_netmocks.sweeps.shape import Flow, Talk


def edges(arm: Arm, group: Group) -> list[set[int]]:
    """The places of a group that come first, in classes, the most promising one first.

    These are the ends; both sides of each turn of the conversation; of each piece that was read or written in one go;
    and of the protocol's own parts.
    """
    if group.kind != "byte":
        return [set(group.at)]
    talk = arm.witnesses[group.server].talk(group.connection)
    assert talk is not None
    flow = talk.flow(group.layer, group.direction)
    classes = [
        {0, 1, flow.size - 1, flow.size},
        {at for turn in flow.turns() for at in (turn - 1, turn, turn + 1)},
        {at for end in flow.ends for at in (end - 1, end)},
        {at for part in _parts(arm, group, talk, flow) for at in (part - 1, part)},
    ]
    found: list[set[int]] = []
    for places in classes:
        found.append({at for at in places if at in group.at and not any(at in before for before in found)})
    return found


def _parts(arm: Arm, group: Group, talk: Talk, flow: Flow) -> list[int]:
    """Where the parts of a protocol begin, or the records of TLS."""
    data = bytes(flow.text)
    if group.layer == "tls":
        return record_ends(data)
    server = arm.stream(group.server)
    return [] if server is None or talk.record is None else list(server.parts(talk.record, group.direction, data))
