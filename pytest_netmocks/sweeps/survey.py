"""The survey: all places that a run has, fault by fault, read from its shape."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_netmocks.faults.base import AnswerFault, DatagramFault, Fault, HandshakeFault, StreamFault
from pytest_netmocks.faults.table import Corrupt
from pytest_netmocks.sweeps.arm import Arm
from pytest_netmocks.sweeps.place import Group
from pytest_netmocks.sweeps.plan import Plan, directions
from pytest_netmocks.sweeps.shape import Counts, Talk, Witness


def survey(plan: Plan, arm: Arm) -> list[Group]:
    """The places of a run; behind a fault that struck in it, those that it has brought about.

    Raises `ValueError` if the reference run had no connection, or a fault has no place in it.
    """
    if arm.place is None and not arm.speaks:
        raise ValueError(
            "the reference run opened no connection to a server of ours, so there is no place where it could break: "
            "it proves nothing"
        )
    groups: list[Group] = []
    for which, fault in enumerate(plan.faults):
        mine = [group for witness in arm.witnesses.values() for group in _of(arm, witness, which, fault) if group.at]
        if not mine and arm.place is None:
            raise ValueError(_nowhere(arm, fault))
        groups += mine
    return groups


def _nowhere(arm: Arm, fault: Fault) -> str:
    """Why a fault has no place in the reference run."""
    refused = [why for name in arm.met if (why := arm.refuses(name, fault)) is not None]
    if len(refused) == len(arm.met):
        return f"{fault!r} has no place in this test: {refused[0]}"
    return f"{fault!r} has no place in this test: nothing that it strikes has passed on {', '.join(arm.met)}"


def _of(arm: Arm, witness: Witness, which: int, fault: Fault) -> Iterator[Group]:
    """The places of one fault on one server."""
    name = witness.name
    if arm.refuses(name, fault) is not None:
        return
    before = witness.struck or Counts(0, 0, 0, {"upstream": 0, "downstream": 0})
    new = [talk for talk in witness.talks.values() if talk.number > before.talks]
    if isinstance(fault, AnswerFault):
        on = {number: moment.connection for number, moment in enumerate(witness.answers, 1)}
        at = range(before.answers + 1, len(on) + 1)
        yield Group(which, fault, name, None, "downstream", at, "answer", on, arm.place)
    elif isinstance(fault, HandshakeFault):
        on = dict(enumerate(witness.handshakes, 1))
        at = range(before.handshakes + 1, len(on) + 1)
        yield Group(which, fault, name, None, "downstream", at, "handshake", on, arm.place)
    else:
        if isinstance(fault, DatagramFault) and arm.has_datagrams(name):
            for way in directions(fault):
                at = range(before.datagrams[way] + 1, len(witness.datagrams[way]) + 1)
                yield Group(which, fault, name, None, way, at, "datagram", {}, arm.place)
        if isinstance(fault, StreamFault) and arm.stream(name) is not None:
            streams = [talk for talk in witness.talks.values() if not talk.is_of_datagrams]
            for number, talk in enumerate(streams):
                if talk in new:
                    yield from _bytes_of(talk, number, witness, which, fault, arm)


def _bytes_of(talk: Talk, streams: int, witness: Witness, which: int, fault: StreamFault, arm: Arm) -> Iterator[Group]:
    if fault.layer == "tls" and not any(flow.size for (layer, _), flow in talk.flows.items() if layer == "tls"):
        return
    for way in directions(fault):
        size = talk.flow(fault.layer, way).size
        last = size - isinstance(fault, Corrupt)  # behind the last byte there is none to change
        yield Group(
            which, fault, witness.name, talk.number, way, range(last + 1), after=arm.place, streams_before=streams
        )
