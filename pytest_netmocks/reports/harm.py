"""What faults did to a connection: one sentence each, with what was lost and where."""

from __future__ import annotations

import bisect
import dataclasses
from typing import Any, Literal

from pytest_netmocks.records.events import Struck
from pytest_netmocks.records.words import quoted
from pytest_netmocks.reports.story import Amount, Story, Talk, Turn

LOOKED_AT = 1000
"""Exchanges before a strike among which the one that it struck is looked for."""

Kind = Literal["ended", "swallowed", "held", "lost", "changed"]

SERIOUS: tuple[Kind, ...] = ("ended", "swallowed", "held", "lost")
"""Those after which the client has less than it was sent."""

STREAMS: dict[str, tuple[Kind, str]] = {
    "Reset": ("ended", "reset"),
    "Close": ("ended", "closed"),
    "Refused": ("ended", "refused"),
    "Blackhole": ("swallowed", "silenced"),
    "Stall": ("held", "held"),
}
"""By the name of a fault: what it does to a stream of HTTP/2 whose answer does not leave as a whole, also in a word."""


@dataclasses.dataclass(slots=True)
class Harm:
    """What one fault did to one connection."""

    kind: Kind
    story: Story
    talk: Talk
    struck: Struck

    @property
    def again(self) -> bool:
        """Whether what was harmed went well on another try."""
        turn = self.turn
        if turn is None:  # it struck before anything was asked
            later = self.story.last_delivered.values()
            opened = [other.talk.opened for other in later if other.talk is not self.talk]
            return any(one is not None and one.at >= self.struck.at for one in opened)
        other = self.story.last_delivered.get(turn.asked)
        return other is not None and other is not turn and other.began >= turn.began

    @property
    def fault(self) -> Any:
        """Which fault."""
        return self.struck.fault

    @property
    def turn(self) -> Turn | None:
        """The exchange that it harmed."""
        return harmed(self.talk, self.struck)


def harmed(talk: Talk, struck: Struck) -> Turn | None:
    """The exchange that was not over when a fault struck."""
    if struck.stream is not None:
        return talk.streams.get(struck.stream)
    first: Turn | None = None
    at = bisect.bisect_right(talk.turns, struck.at, key=lambda turn: turn.began)
    for turn in reversed(talk.turns[max(0, at - LOOKED_AT) : at]):
        if turn.is_message:
            continue
        if turn.delivered is not None and turn.delivered < struck.at:
            if turn.stream is not None:
                continue
            break  # answers keep their order, but for those on streams
        first = turn
    # A request that the fault cut is put on record when it is known that no more of it comes.
    return first or next((turn for turn in talk.turns[at:] if not turn.is_message and turn.delivered is None), None)


def harms(story: Story) -> list[Harm]:
    """What faults did on a server, in their order."""
    found = [Harm(_kind(talk, struck), story, talk, struck) for talk in story.talks.values() for struck in talk.struck]
    return sorted(found, key=lambda harm: harm.struck.at)


def _kind(talk: Talk, struck: Struck) -> Kind:
    fault = struck.fault
    if struck.stream is not None:
        turn = talk.streams.get(struck.stream)
        is_whole = turn is not None and turn.delivered is not None
        return "changed" if is_whole or fault.name not in STREAMS else STREAMS[fault.name][0]
    if any(ended.by == "fault" for ended in talk.ended) and _ends(talk, struck):
        return "ended"
    if any(one.fault == fault for one in talk.swallowed):
        return "swallowed"
    if any(fault in one.faults for one in talk.held) and not (talk.to_client.is_whole and talk.to_server.is_whole):
        return "held"
    if talk.datagrams and fault.name == "Loss":
        return "lost"
    if fault.name == "HandshakeStall":
        return "held"
    return "changed"


def _ends(talk: Talk, struck: Struck) -> bool:
    """Whether it is the one that ended the connection: the last that struck and ends any."""
    enders = [one for one in talk.struck if hasattr(one.fault, "after_bytes") or one.fault.name.startswith("Handshake")]
    return not enders or enders[-1] is struck or len(talk.struck) == 1


# In words


def where(talk: Talk, struck: Struck) -> str:
    """In the middle of what it struck."""
    turn = harmed(talk, struck)
    if turn is None:
        transfer = transfer_of(talk)
        if transfer:
            return f"in the middle of {transfer}"
        if talk.received or talk.came or not talk.sent or talk.turns:
            return ""
        return "right behind the greeting" if talk.to_client.is_whole else "in the greeting"
    if turn.answered is None:
        came = talk.to_server
        return f"in {turn.named}" if not came.is_whole else f"before {turn.named} was answered"
    if not turn.amount.passed:
        return f"before any of the answer to {turn.named}"
    if turn.amount.is_whole:
        return f"right behind the answer to {turn.named}"
    part = _part(talk, turn)
    return f"in the {part} of the answer to {turn.named}" if part else f"in the answer to {turn.named}"


def _part(talk: Talk, turn: Turn) -> str:
    """Where in an answer it ends, of protocols whose answers have parts."""
    ends = turn.sides.head_ends
    if not ends:
        return ""
    head = talk.answer(turn).find(ends)
    return "head" if head < 0 or turn.amount.passed < head + len(ends) else "body"


def transfer_of(talk: Talk) -> str:
    """The command whose data the connection carries, if there is one."""
    control = getattr(talk.record, "control", None)
    if control is None:
        return ""
    for request in reversed(control.requests):
        if getattr(request, "data_connection", None) is talk.record:
            return f"{request.command} {request.argument or ''}".rstrip()
    return ""


def called(talk: Talk) -> str:
    """`connection 1`, or `data connection 2`."""
    role = getattr(talk.record, "role", "")
    return f"data connection {talk.number}" if role == "data" else f"connection {talk.number}"


def amount_of(talk: Talk, struck: Struck) -> Amount:
    """How much came past a fault of what it struck."""
    up = talk.to_server
    if not up.is_whole and (talk.to_client.is_whole or getattr(struck.fault, "direction", "") == "upstream"):
        return up
    turn = harmed(talk, struck)
    if turn is not None and turn.answered is not None and turn.amount.size:
        return turn.amount
    return talk.to_client


def took(talk: Talk, struck: Struck) -> str:
    """`107 of 115 B delivered, 8 lost`; empty where nothing is missing."""
    if talk.datagrams and struck.fault.name == "Loss":
        first = talk.datagrams[0]
        to = "server" if first.direction == "upstream" else "client"
        more = f", and {len(talk.datagrams) - 1} more" if len(talk.datagrams) > 1 else ""
        return f"{quoted(first.data, 32)} lost on its way to the {to}{more}"
    amount = amount_of(talk, struck)
    if amount.size and not amount.is_whole:
        return str(amount)
    return altered(talk) if struck.fault.name == "Corrupt" else ""


def altered(talk: Talk) -> str:
    """`1 of 6 B arrived otherwise, '1' as 'q' after 0`; empty where what arrived is what was sent, or is not known."""
    record = talk.record
    if record is None:
        return ""
    for sent, arrived in ((bytes(talk.came), record.received), (record.sent, record.delivered)):
        other = [at for at, pair in enumerate(zip(sent, arrived, strict=False)) if pair[0] != pair[1]]
        if other and len(sent) == len(arrived):
            first = other[0]
            was, became = (quoted(data[first : first + 1], 1) for data in (sent, arrived))
            where = f"{was} as {became} after {first}"
            return f"{len(other)} of {len(sent)} B arrived otherwise, {'the first ' if len(other) > 1 else ''}{where}"
    return ""
