"""`MqttRule`: which packets of clients are meant, and what is answered in place of the usual."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable, Mapping
from types import NoneType
from typing import Any, Self

from pytest_netmocks import check, usercode
from pytest_netmocks.matchers import fits_text, holds, leaves
from pytest_netmocks.protocols.mqtt import properties as props
from pytest_netmocks.protocols.mqtt.reasons import code_of
from pytest_netmocks.protocols.mqtt.records import MqttPacket, Properties
from pytest_netmocks.protocols.mqtt.topics import fits, wrong_filter
from pytest_netmocks.rules.base import Rule
from pytest_netmocks.rules.commands import Command, Wanted, check_command, check_wanted

COMING = {
    *("CONNECT", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "UNSUBSCRIBE", "PINGREQ"),
    *("DISCONNECT", "AUTH"),
}
"""What clients send."""

WITH_TOPIC = {"PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE"}

ANSWERS = {
    **{"CONNECT": "CONNACK", "PUBLISH": "PUBACK PUBREC", "PUBREC": "PUBREL", "PUBREL": "PUBCOMP"},
    **{"SUBSCRIBE": "SUBACK", "UNSUBSCRIBE": "UNSUBACK"},
}
"""What a packet is answered with, where that has a reason code; all else is answered with DISCONNECT."""

Reason = str | int | None
"""A reason's name or code; `None` is no answer at all."""

Function = Callable[[MqttPacket], Reason | Awaitable[Reason]]


@dataclasses.dataclass(frozen=True)
class Scripted:
    """What an answer is to be: its reason code, or as usual, or none."""

    code: int | None = None
    """`None` is as usual."""
    silent: bool = False
    properties: Properties = dataclasses.field(default_factory=dict)
    again: bool = False


AS_USUAL = Scripted()


@dataclasses.dataclass(frozen=True)
class MqttAnswer:
    """One answer: what it says, or a function that gives the reason, or raw bytes; and how long it takes."""

    scripted: Scripted
    function: Function | None
    raw: bytes | None
    delay: float

    async def make(self, packet: MqttPacket) -> Scripted:
        """What it says, once the function has said it. Raises what that raises, or what a wrong reason deserves."""
        if self.function is None:
            return self.scripted
        made: Any = await usercode.call(self.function, packet)
        return dataclasses.replace(self.scripted, **_said(made))


def _said(reason: Any) -> dict[str, Any]:
    if reason is None:
        return {"silent": True}
    if isinstance(reason, str) and reason.lower() == "success":
        return {}
    return {"code": code_of("reason", reason)}


class MqttRule(Rule[MqttAnswer]):
    """What `when` of an MQTT server begins."""

    counts = "packets"

    def __init__(
        self, packet: Command | None, topic: Wanted = None, payload: Any = None, client: Wanted = None
    ) -> None:
        given = {"topic": topic, "payload": payload, "client": client}
        words = [repr(packet)] if packet is not None else []
        words += [f"{name}={value!r}" for name, value in given.items() if value is not None]
        self._kind = packet
        answers = {one for kind in leaves(packet) for one in ANSWERS.get(str(kind), "").split()}
        self._packets = answers | {"DISCONNECT"} if packet is not None else {*" ".join(ANSWERS.values()).split()}

        def matches(came: MqttPacket) -> bool:
            if packet is not None and not fits_text(packet, came.type):
                return False
            if client is not None and not fits_text(client, came.client):
                return False
            if payload is not None and not holds(payload, lambda leaf: _is_payload(leaf, came.payload)):
                return False
            return topic is None or _has_topic(topic, came)

        super().__init__(f"when({', '.join(words)})" if words else "every packet", matches)

    def reply(
        self,
        reason: Reason | Function = "Success",
        *,
        properties: Mapping[str, Any] | None = None,
        raw: bytes | None = None,
        duplicate: bool = False,
        times: int | None = None,
        delay: float = 0.0,
        then_close: bool = False,
    ) -> Self:
        """Answer with this reason: its name in MQTT 5 (section 2.4), such as "Not authorized", or its code.

        A refusal (0x80 and above) is given instead of executing the packet, any other reason in the usual answer after
        executing it, and "Success" is as usual. A 3.1.1 client is told what its version has for it. A reason for which
        the answer has no place goes out in a DISCONNECT and ends the connection, on 3.1.1 without a word; a message of
        QoS 0 is dropped, since nobody answers one. A number in reply to SUBSCRIBE grants that QoS. `None` executes it
        and answers nothing: the acknowledgement that was lost. A function or coroutine function of the packet gives any
        of these.

        `properties` are added to the answer (section 2.2.2.2), for clients of MQTT 5. `raw` bytes go out as they are
        instead of executing it: none (`raw=b""`) lose the packet. With `duplicate` a message that is published is
        delivered twice to each subscriber. Each answer is given `times` times (1 unless said), the last for ever unless
        said, after `delay` seconds, and `then_close` ends the connection behind it. Raises `TypeError` or `ValueError`
        that names the argument.
        """
        check.instance("raw", raw, (bytes, NoneType), "bytes")
        check.flag("duplicate", duplicate)
        check.number("delay", delay, unit="seconds", minimum=0)
        if raw is not None and (reason != "Success" or properties or duplicate):
            raise TypeError("reply() takes raw= bytes, or what is to be answered, not both")
        if duplicate and not any(kind == "PUBLISH" for kind in leaves(self._kind)):
            raise ValueError(f"duplicate=True is for messages that are published, and {self.label} is about none")
        given = props.accepted("properties", properties, *self._packets)
        function = reason if callable(reason) else None
        said = {} if callable(reason) else _said(reason)
        scripted = Scripted(properties=given, again=duplicate, **said)
        return self._add(MqttAnswer(scripted, function, raw, delay), times, then_close=then_close)


def _is_payload(wanted: Any, payload: bytes) -> bool:
    if isinstance(wanted, re.Pattern):
        return wanted.search(payload) is not None
    return bool((wanted.encode() if isinstance(wanted, str) else wanted) == payload)


def _has_topic(wanted: Wanted, packet: MqttPacket) -> bool:
    """A filter has the topic of a message; a filter that is subscribed to is compared as it is written."""
    if packet.topic is None:
        return any(fits_text(wanted, name) for name in packet.filters)
    topic = packet.topic

    def is_meant(leaf: Any) -> bool:
        return fits(leaf, topic) if isinstance(leaf, str) else fits_text(leaf, topic)

    return holds(wanted, is_meant)


def rule(packet: Command, topic: Wanted, payload: Any, client: Wanted) -> MqttRule:
    """What `when` was asked for. Raises `TypeError` or `ValueError` that names the argument."""
    kind = check_command(packet, COMING, name="packet")
    check_wanted("client", client)
    check_wanted("topic", topic)
    kinds = {str(leaf) for leaf in leaves(kind)}
    for leaf in leaves(topic):
        if isinstance(leaf, str) and (wrong := wrong_filter(leaf)):
            raise ValueError(f"topic must be a topic filter, not {leaf!r}, which {wrong}")
    if topic is not None and not kinds & WITH_TOPIC:
        raise ValueError(f"topic={topic!r} is for {', '.join(sorted(WITH_TOPIC))}: {packet} has none")
    if payload is not None:
        if "PUBLISH" not in kinds:
            raise ValueError(f"payload={payload!r} is for PUBLISH: {packet} has none")
        for leaf in leaves(payload):
            check.instance("payload", leaf, (str, bytes, re.Pattern), "bytes, text or a compiled pattern of bytes")
            if isinstance(leaf, re.Pattern) and not isinstance(leaf.pattern, bytes):
                raise TypeError(f"payload must be bytes, text or a compiled pattern of bytes, not {leaf!r}")
    return MqttRule(kind, topic, payload, client)
