"""The packets of a recording: each connection's, in the order in which they passed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from pytest_netmocks.records.addresses import is_unix
from pytest_netmocks.records.plain import data_of
from pytest_netmocks.reports.capture.packets import TCP, UDP, End, end
from pytest_netmocks.reports.capture.talk import DOWN, UP, Packet, Talk, Way
from pytest_netmocks.reports.recording import Recording

NANO = 1_000_000_000

Event = dict[str, Any]
Key = tuple[Any, Any]

WIRE = ("wire_received", "wire_sent", "wire_ended")

WAYS: dict[str, Way] = {
    "wire_received": UP,
    "wire_sent": DOWN,
    "received": UP,
    "arrived": UP,
    "sent": DOWN,
    "delivered": DOWN,
}
"""Which way the bytes of an event go."""

PAST = {"sent": "delivered", "received": "arrived"}
"""What stands for a kind of event from where a fault stood between on."""


class Conversations:
    """All connections of one recording."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._packets: list[Packet] = []
        self._talks: dict[Key, Talk] = {}
        self._servers = {one.get("id"): one for one in recording.servers}
        # In whole numbers: what lies between two events is told exactly, 1970 lies too far back for that.
        self._began = {number: round(one.get("began", 0.0) * NANO) for number, one in self._servers.items()}
        self._otherwise = round(recording.began * NANO)
        self._on_wire: set[Key] = set()
        self._divided: dict[tuple[Key, Way], float] = {}
        """From which byte on what was sent and what was delivered may differ."""
        self._lost: set[int] = set()
        """Events of datagrams that were sent and did not leave, by their identity."""
        self._sent: dict[Key, int] = {}
        """The latest event of each connection that something was sent by."""
        self._struck: dict[Talk, str] = {}
        """The fault that struck each connection last."""
        self._in_force: dict[Any, dict[Any, str]] = {}
        self._secure: set[Key] = set()
        for event in recording.events:
            self._survey(event)

    def packets(self) -> list[Packet]:
        """All of them."""
        for event in self._recording.events:
            self._take(event)
        for talk in self._talks.values():
            talk.close()
        self._packets.sort(key=lambda packet: packet.at)
        return self._packets

    def keys(self) -> str:
        """The lines of all handshakes."""
        found = [event["text"] for event in self._recording.events if event["event"] == "keys"]
        return "".join(dict.fromkeys(line + "\n" for text in found for line in text.splitlines()))

    def bare(self) -> list[Any]:
        """The numbers of the connections of which there is only what TLS carried."""
        return sorted(number for _, number in self._secure - self._on_wire)

    def _survey(self, event: Event) -> None:
        """Learn what there is, before the first packet is made."""
        kind, key = event["event"], (event.get("server"), event.get("connection"))
        if kind in WIRE:
            self._on_wire.add(key)
        elif kind == "handshake":
            self._secure.add(key)
        elif kind == "sent":
            self._sent[key] = id(event)
        elif kind == "lost" and event["direction"] == DOWN and key in self._sent:
            self._lost.add(self._sent[key])
        elif kind in ("arrived", "delivered"):
            self._divide(key, WAYS[kind], event["offset"])
        elif kind in ("held", "swallowed") and event.get("layer") == "application":
            self._divide(key, event["direction"], event["offset"])

    def _divide(self, key: Key, way: Way, offset: int) -> None:
        self._divided[key, way] = min(self._divided.get((key, way), math.inf), offset)

    def _talk(self, key: Key, event: Event) -> Talk:
        found = self._talks.get(key)
        if found is None:
            server = self._servers.get(key[0], {})
            listening = server.get("address")
            client = end(event.get("client"))
            own = end(event.get("address") or listening, client)
            if listening and is_unix(listening):  # without ports: one that tells the connections apart
                client = End(client.host, int(key[1]) & 0xFFFF)
            protocol = UDP if server.get("transport") == "udp" else TCP
            seed = f"{self._recording.began} {key}"
            found = self._talks[key] = Talk(key[0], seed, client, own, protocol, self._packets.append)
        return found

    def _take(self, event: Event) -> None:
        kind = event["event"]
        if event.get("connection") is None:
            self._of_server(kind, event)
            return
        key = event.get("server"), event["connection"]
        at = self._began.get(key[0], self._otherwise) + round(event["at"] * NANO)
        talk = self._talk(key, event)
        if kind == "opened":
            for text in self._in_force.get(key[0], {}).values():
                talk.say_next(text)
            if "open since" not in event["text"]:
                talk.open(at, dialled=event["text"].startswith("connected to"))
        elif key in self._on_wire:
            if kind in ("wire_received", "wire_sent"):
                talk.carry(at, WAYS[kind], event["offset"], data_of(event), event["size"])
            elif kind == "wire_ended":
                talk.end(at, event["direction"], event["sign"])
        elif kind in WAYS:
            self._of_application(talk, key, at, event)
        elif kind == "ended" and event.get("sign"):
            self._say_end(talk, event)
            talk.end(at, UP if event["by"] == "client" else DOWN, event["sign"])
            return
        self._say(talk, kind, event)

    def _of_application(self, talk: Talk, key: Key, at: int, event: Event) -> None:
        """Bytes of which there is only what the server saw or sent; at a fault it is what came to it, or past it."""
        kind, offset, data, size = event["event"], event["offset"], data_of(event), event["size"]
        limit = self._divided.get((key, WAYS[kind]), math.inf)
        if kind in PAST and offset + size > limit:
            size = max(0, int(limit) - offset)
            data = data[:size]
        if (size or talk.is_udp) and id(event) not in self._lost:
            talk.carry(at, WAYS[kind], offset, data, size)

    # Comments

    def _of_server(self, kind: str, event: Event) -> None:
        number = event.get("server")
        here = self._in_force.setdefault(number, {})
        if kind == "in_force":
            here[event.get("injection")] = event["text"]
        elif kind == "lifted":
            here.pop(event.get("injection"), None)
        else:
            return
        for talk in self._talks.values():
            if talk.server == number:
                talk.say_next(event["text"])

    def _say(self, talk: Talk, kind: str, event: Event) -> None:
        """Comments, where a reader will look for them."""
        text = event.get("text", "")
        if kind == "struck":
            self._struck[talk] = event["fault"]
            talk.say_of_bytes(text, UP if event.get("direction") == UP else DOWN)
        elif kind == "swallowed":
            to = "server" if event["direction"] == UP else "client"
            talk.take(f"withheld from the {to} by {event['fault']}", event["size"])
        elif kind == "handshake" and event.get("step") in ("alert", "failed", "note"):
            self._say_alert(talk, text)
        elif kind == "ended":
            self._say_end(talk, event)
        elif kind in ("note", "failed", "unmatched", "lost"):
            talk.say(text)

    @staticmethod
    def _say_alert(talk: Talk, text: str) -> None:
        if "alert" in text and "sent" in text:
            talk.say_of_bytes(text, DOWN)
        else:
            talk.say(text)

    def _say_end(self, talk: Talk, event: Event) -> None:
        if "alert" in event["text"]:
            self._say_alert(talk, event["text"])
        elif event["by"] == "fault":
            fault = self._struck.get(talk)
            talk.say_of_end(event["text"] if fault is None else f"{event['text']}: {fault}")


def names(recording: Recording) -> Iterator[tuple[str, str]]:
    """The name and description of each server."""
    for one in recording.servers:
        yield str(one.get("name", "")), f"{one.get('kind', '')} {one.get('url', '')}".strip()
