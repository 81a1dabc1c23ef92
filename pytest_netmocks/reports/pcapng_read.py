"""Captures read back: what TCP and UDP carried, as recordings; ours, and those of tcpdump, Wireshark and others.

What TLS carried stays as it is; the keys that are inside are there for who reads on.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from typing import Any

from pytest_netmocks.reports.capture import parse
from pytest_netmocks.reports.capture.frames import Carried, carried
from pytest_netmocks.reports.capture.packets import UDP, End
from pytest_netmocks.reports.capture.streams import Conversation, is_from_client
from pytest_netmocks.reports.recording import Outcome, Recording

OURS = "pytest-netmocks"
FACTS = ("title", "place", "outcome", "cause")
OUTCOMES: tuple[Outcome, ...] = ("passed", "failed", "skipped")


def read(data: bytes) -> list[Recording]:
    """A recording for each section of a pcapng file. Raises `ValueError` for what is no such file."""
    return [_Reader(section).recording for section in parse.sections(data)]


class _Reader:
    """Makes the recording of one section."""

    def __init__(self, section: parse.Section) -> None:
        self.recording = Recording(notes=list(section.notes))
        self._events: list[tuple[int, dict[str, Any]]] = []
        self._open: dict[frozenset[tuple[int, End]], tuple[Conversation, int, int]] = {}
        self._all: list[Conversation] = []
        self._servers: dict[tuple[int, End], int] = {}
        self._numbers: Counter[int] = Counter()
        self._began = min((frame.at for frame in section.frames), default=0)
        passed_over = 0
        for frame in section.frames:
            found = carried(frame.interface.link, frame.data)
            if found is None:
                passed_over += 1
            else:
                self._take(frame, found)
        for conversation in self._all:
            conversation.finish()
        if passed_over:
            self.recording.notes.append(f"{passed_over} packets are neither TCP nor UDP, or were cut too short")
        self._describe(section)

    def _take(self, frame: parse.Frame, found: Carried) -> None:
        key = frozenset([(found.protocol, found.source), (found.protocol, found.target)])
        known = self._open.get(key)
        if known is None or known[0].begins_again(found):
            known = self._open[key] = self._begin(frame, found)
        conversation, server, number = known
        conversation.take(frame.at, found)
        for text in frame.comments:
            conversation.flush()
            self._tell(server, number, frame.at, {"event": "note", "text": text, "about": "connection"})

    def _begin(self, frame: parse.Frame, found: Carried) -> tuple[Conversation, int, int]:
        is_udp = found.protocol == UDP
        client, own = found.source, found.target
        if not is_from_client(found, frame.way):
            client, own = own, client
        server = self._server(found.protocol, own, frame.interface)
        self._numbers[server] += 1
        number = self._numbers[server]
        conversation = Conversation(client, own, functools.partial(self._tell, server, number), is_udp=is_udp)
        self._all.append(conversation)
        how = "first datagram from" if is_udp else "opened by"
        self._tell(
            server,
            number,
            frame.at,
            {"event": "opened", "client": _plain(client), "address": _plain(own), "text": f"{how} {_shown(client)}"},
        )
        return conversation, server, number

    def _server(self, protocol: int, own: End, interface: parse.Interface) -> int:
        number = self._servers.get((protocol, own))
        if number is None:
            number = self._servers[protocol, own] = len(self._servers) + 1
            transport = "udp" if protocol == UDP else "tcp"
            self.recording.servers.append(
                {
                    "id": number,
                    "name": interface.name or _shown(own),
                    "kind": interface.description.partition(" ")[0],
                    "url": f"{transport}://{_shown(own)}",
                    "transport": transport,
                    "address": _plain(own),
                    "tls": False,
                    "began": self._began / parse.NANO,
                }
            )
        return number

    def _tell(self, server: int, number: int, at: int, event: dict[str, Any]) -> None:
        where = {"server": server, "at": (at - self._began) / parse.NANO, "connection": number}
        self._events.append((at, {**where, **event}))

    def _describe(self, section: parse.Section) -> None:
        recording = self.recording
        self._events.sort(key=lambda row: row[0])
        recording.events = [event for _, event in self._events]
        recording.began = self._began / parse.NANO
        recording.seconds = (self._events[-1][0] - self._began) / parse.NANO if self._events else 0.0
        if section.keys:
            text = "".join(section.keys)
            recording.events.insert(0, {"server": 1, "at": 0.0, "event": "keys", "text": text})
        if section.application.startswith(OURS):
            self._describe_ours(section.comment)
        elif section.comment:
            recording.notes.append(section.comment)

    def _describe_ours(self, comment: str) -> None:
        """What our own captures say of their test."""
        recording = self.recording
        known = {field.name for field in dataclasses.fields(recording)}
        for line in comment.splitlines():
            name, _, value = line.partition(": ")
            if name in FACTS and name in known and (name != "outcome" or value in OUTCOMES):
                setattr(recording, name, value)
            elif line.startswith("Times are virtual"):
                recording.virtual = True
            else:
                recording.notes.append(line)


def _plain(end: End) -> list[Any]:
    return [str(end.host), end.port]


def _shown(end: End) -> str:
    return f"[{end.host}]:{end.port}" if end.host.version == 6 else f"{end.host}:{end.port}"
