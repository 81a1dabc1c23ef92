"""`MqttPacket` and `MqttMessage`: what came and went, and what was published."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Literal

from pytest_netmocks.protocols.mqtt.reasons import UNSPECIFIED, name_of
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.sides import Sides

Version = Literal["3.1.1", "5"]

Properties = dict[str, Any]
"""Properties by their names in the standard, in lower case with underscores: `{"content_type": "text/plain"}`.

`user_property` is a list of pairs of text, `subscription_identifier` of what is received and sent a list of numbers.
"""


@dataclasses.dataclass(slots=True)
class MqttMessage:
    """A message: published by a client, its will, or by the test.

    `client` is the id of who published it, empty where that is the test; `at` is seconds since the server started.
    """

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = dataclasses.field(default_factory=dict)
    client: str = ""
    connection: Connection | None = None
    at: float = 0.0
    is_will: bool = False
    """Whether it is the will of a client that did not say goodbye."""

    @property
    def text(self) -> str:
        """The payload as text: UTF-8, and what is none of it replaced."""
        return self.payload.decode("utf-8", "replace")

    def json(self) -> Any:
        """The payload as JSON; raises `ValueError` if it is none."""
        try:
            return json.loads(self.payload)
        except RecursionError:
            raise ValueError("the payload is JSON that is nested too deeply to be read") from None

    def __str__(self) -> str:
        kept = ", retained" if self.retain else ""
        return f"{self.topic} {shown(self.payload)} (QoS {self.qos}{kept})"


@dataclasses.dataclass(frozen=True)
class MqttSubscription:
    """What a client subscribed to, with the options of MQTT 5 (section 3.8.3.1)."""

    filter: str
    """The topic filter, as the client wrote it."""
    qos: int = 0
    no_local: bool = False
    """Whether the client's own messages are left out."""
    retain_as_published: bool = False
    """Whether messages keep the flag with which they were published."""
    retain_handling: int = 0
    """When retained messages are sent: 0 always, 1 for a new subscription, 2 never."""
    identifier: int | None = None
    """The number that comes with each message for it, `None` without one."""

    @property
    def group(self) -> str | None:
        """The group of a shared subscription, `None` if it is not shared."""
        return self.filter.split("/", 2)[1] if self.filter.startswith("$share/") else None

    @property
    def pattern(self) -> str:
        """The filter without the group."""
        return self.filter.split("/", 2)[2] if self.group is not None else self.filter


@dataclasses.dataclass(slots=True)
class MqttPacket:
    """One control packet that came, or went: its type in upper case, and what that type has; all else is empty.

    `client` is the client's id, `version` what the connection speaks. `reasons` are the codes of an acknowledgement,
    `subscriptions` what SUBSCRIBE asks for and `filters` what it and UNSUBSCRIBE name. A PUBLISH with a topic alias has
    the topic that the alias stands for. `answer` is what was answered, in words, unless a fault kept it. `at` is
    seconds since the server started.
    """

    type: str
    """The packet's name: `"CONNECT"`, `"PUBLISH"`, ..."""
    version: Version = "5"
    client: str = ""
    packet_id: int | None = None
    """The packet identifier, `None` of a packet without one."""
    topic: str | None = None
    payload: bytes = b""
    qos: int = 0
    retain: bool = False
    dup: bool = False
    """Whether it says that it was sent before."""
    properties: Properties = dataclasses.field(default_factory=dict)
    reasons: list[int] = dataclasses.field(default_factory=list)
    subscriptions: list[MqttSubscription] = dataclasses.field(default_factory=list)
    filters: list[str] = dataclasses.field(default_factory=list)
    clean_start: bool = False
    """Of a CONNECT: whether no earlier session goes on."""
    keep_alive: int = 0
    """Of a CONNECT: seconds within which the client promises to send something; 0 for no promise."""
    username: str | None = None
    """Of a CONNECT: who logs in."""
    password: bytes | None = None
    """Of a CONNECT: the password."""
    will: MqttMessage | None = None
    """Of a CONNECT: what is published if the client goes without a DISCONNECT."""
    session_present: bool = False
    """Of a CONNACK: whether an earlier session goes on."""
    direction: Literal["received", "sent"] = "received"
    connection: Connection = dataclasses.field(default=None, repr=False)  # type: ignore[assignment]  # before it is on record
    at: float = 0.0
    answer: str = ""
    refused: bool = False
    """Whether the answer is a no."""
    number: int = 0
    """Its place among the client's, from 1."""

    @property
    def is_answered(self) -> bool:
        """Whether anything answers it, where all goes well."""
        if self.direction == "sent" or (self.type == "PUBREC" and self.refuses):
            return False
        return bool(self.qos) if self.type == "PUBLISH" else self.type not in ("PUBACK", "PUBCOMP", "DISCONNECT")

    @property
    def told(self) -> bool:
        """Whether the timeline has a line of it where it begins; what nobody answers is told as a message."""
        return self.is_answered

    @property
    def reason(self) -> str:
        """The reason's name, of several the first; empty where the packet has none."""
        return name_of(self.type, self.reasons[0], old=self.version != "5") if self.reasons else ""

    @property
    def refuses(self) -> bool:
        """Whether a reason says no."""
        old = self.version != "5" and self.type == "CONNACK"
        return any(code >= UNSPECIFIED or (old and code > 0) for code in self.reasons)

    def __str__(self) -> str:
        arrow = "< " if self.direction == "sent" else ""
        return f"{arrow}{in_words(self)}{f' -> {self.answer}' if self.answer else ''}"

    def sides(self) -> Sides:
        """The packet, on the side of who sent it, and its answer."""
        if self.direction == "sent":
            return Sides("", in_words(self))
        return Sides(in_words(self), self.answer, refuses=self.refused, code=self.answer)


def in_words(packet: MqttPacket) -> str:
    """A packet on one line."""
    words = [packet.type]
    if packet.type == "CONNECT":
        words.append(f"{packet.client!r} MQTT {packet.version}")
        words += ["clean"] if packet.clean_start else []
        words += [f"as {packet.username!r}"] if packet.username is not None else []
        words += [f"will {packet.will.topic}"] if packet.will is not None else []
    if packet.packet_id is not None:
        words.append(f"#{packet.packet_id}")
    if packet.type == "PUBLISH":
        flags = [flag for flag, there in (("retained", packet.retain), ("again", packet.dup)) if there]
        words.append(f"{packet.topic} {shown(packet.payload)} ({', '.join([f'QoS {packet.qos}', *flags])})")
    if packet.filters:
        asked = [f"{one.filter} (QoS {one.qos})" for one in packet.subscriptions] or packet.filters
        words.append(", ".join(asked[:3]) + (f" and {len(asked) - 3} more" if len(asked) > 3 else ""))
    if packet.session_present:
        words.append("session present,")
    if packet.reason and (packet.refuses or packet.reason != "Success" or packet.type == "CONNACK"):
        words.append(packet.reason)
    return " ".join(words)


def shown(payload: bytes) -> str:
    """A short form for reports."""
    try:
        text: str | bytes = payload[:40].decode()
    except UnicodeDecodeError:
        text = payload[:40]
    return repr(text) + ("..." if len(payload) > 40 else "")
