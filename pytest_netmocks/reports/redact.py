"""Secrets are masked in what goes into files: an asterisk for each byte, so that every size and offset stays true.

A name is that of a header field, of a command (`PASS`, `AUTH`), or of a field of a query, a form or JSON. Bytes are
looked at by stream, not by piece. What was found once is masked wherever else it is told: in texts, in errors, in other
streams.
"""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from pytest_netmocks.records.plain import data_of, plain_data
from pytest_netmocks.reports.recording import Recording

IN_ARCHIVES = ("authorization", "proxy-authorization", "cookie", "set-cookie", "password", "passwd", "pwd")
"""What is masked in archives whatever is asked for: they are made to be passed on."""

LITERAL = 6
"""Bytes of a secret from which on it is masked wherever it is found: what is shorter is found by chance."""

SCHEMES = ("basic", "bearer", "digest", "dpop", "hoba", "mutual", "negotiate", "ntlm", "oauth", "scram-sha-256")
"""Schemes of Authorization, which are no secrets themselves (RFC 9110, section 11.1, and IANA's list)."""

AUTH = (b"AUTH", b"AUTHENTICATE")
"""Commands whose argument begins with a mechanism; the second is that of IMAP, where tags stand before commands."""

PASSWORDS = {"password", "passwd", "pwd", "pass"}
"""Names that a password has, that of a login to a SOCKS proxy too, where it has none."""

STEPS = 4
"""Lines of a client that belong to one AUTH (RFC 4954, section 4)."""

PLACES = {"delivered": "sent", "arrived": "received"}
"""Streams that go on where another one is left."""

STREAMS = ("received", "arrived", "sent", "delivered", "wire_received", "wire_sent")

Event = dict[str, Any]
Span = tuple[int, int]
Place = tuple[Any, Any]
"""Server and connection."""
Stream = tuple[Place, str]


def redacted(recordings: Sequence[Recording], names: Collection[str]) -> Sequence[Recording]:
    """The recordings without the secrets of those names; those given stay as they are."""
    return [_Redactor(names, recording).recording() for recording in recordings] if names else recordings


def masked(text: str, names: Collection[str]) -> str:
    """A text without them."""
    secrets = _Secrets(names)
    return _on_text(text, lambda data: secrets.mask(data, secrets.spans(data)))


def _on_text(text: str, mask: Any) -> str:
    changed: bytes = mask(text.encode("utf-8", "surrogatepass"))
    return changed.decode("utf-8", "surrogatepass")


class _Secrets:
    """Where bytes hold a secret, by its name; what was found."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = {name.lower() for name in names}
        one = "|".join(re.escape(name) for name in sorted(self.names, key=len, reverse=True)).encode()
        self._field = re.compile(rb"(?im)^(" + one + rb")[ \t]*:[ \t]*([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)")
        self._pair = re.compile(rb"(?i)(?:^|[?&\s])(?:" + one + rb")=([^&\s#]*)")
        self._json = re.compile(rb'(?i)"(?:' + one + rb')"\s*:\s*"([^"\\]*(?:\\.[^"\\]*)*)')
        self._part = re.compile(rb'(?i)\bname="?(?:' + one + rb')"?(?:[^\r\n]*\r?\n){1,8}?\r?\n([^\r\n]*)')
        self._command = re.compile(rb"(?im)^(?:\S+[ \t]+)?(" + one + rb")[ \t]+([^\r\n]*)(\r?\n)?")
        self._named = re.compile(one, re.IGNORECASE)
        self._named_in_text = re.compile(one.decode(), re.IGNORECASE)
        self.found: set[bytes] = set()

    def names_none(self, text: str) -> bool:
        """Whether there is no such name in it: so it is of most."""
        return self._named_in_text.search(text) is None

    def spans(self, data: bytes, commands: Collection[str] | None = None) -> list[Span]:
        """Where; `commands` are those of a connection that has commands."""
        spans = [*_of_socks(data), *_of_redis(data), *_of_mqtt(data)] if self.names & {*PASSWORDS, "auth"} else []
        if self._named.search(data) is not None:
            spans += self._spans(data)
            if commands is not None:
                spans += self._of_commands(data, commands)
        self._find(data, spans)
        return [*spans, *_of_frames(data)]

    def _find(self, data: bytes, spans: list[Span]) -> None:
        self.found |= {data[start:stop] for start, stop in spans if stop - start >= LITERAL}

    def _spans(self, data: bytes) -> Iterator[Span]:
        for field in self._field.finditer(data):
            yield from in_field(field[1].decode().lower(), field[2], field.start(2))
        for pattern in (self._pair, self._json, self._part):
            for found in pattern.finditer(data):
                yield found.span(1)

    def _of_commands(self, data: bytes, commands: Collection[str]) -> Iterator[Span]:
        for found in self._command.finditer(data):
            name, start = found[1].upper(), found.start(2)
            yield start + _mechanism(found[2]) if name in AUTH else start, found.end(2)
            at, steps = found.end(), STEPS if name in AUTH else 0
            while steps and found[3] and (line := re.compile(rb"([A-Za-z0-9+/=]+)(?:\r?\n|\Z)").match(data, at)):
                if line[1].decode().upper() in commands:
                    break
                yield line.span(1)
                at, steps = line.end(), steps - 1

    def literals(self) -> re.Pattern[bytes] | None:
        """What finds again what was found."""
        found = sorted(self.found, key=len, reverse=True)
        return re.compile(b"|".join(map(re.escape, found))) if found else None

    @staticmethod
    def mask(data: bytes, spans: Iterable[Span]) -> bytes:
        """The bytes with asterisks there; lines stay lines, but of field blocks, which have none."""
        changed = bytearray(data)
        for start, stop in spans:
            changed[start:stop] = re.sub(rb"[^\r\n]", b"*", data[start:stop])
        for start, stop in _of_frames(data):
            changed[start:stop] = b"*" * (stop - start)
        return bytes(changed)


_REDIS = re.compile(rb"(?i)(\*2\r\n)?\$4\r\nAUTH\r\n\$\d+\r\n([^\r\n]*)(?:\r\n\$\d+\r\n([^\r\n]*))?")


def _of_redis(data: bytes) -> Iterator[Span]:
    """The passwords of a client of Redis: what is alone behind AUTH, or the second word there, in HELLO too."""
    for found in _REDIS.finditer(data):
        yield found.span(2 if found[1] or found[3] is None else 3)


def _of_socks(data: bytes) -> Iterator[Span]:
    """The password of a client of SOCKS5: greeting, user, password, each behind its length (RFC 1928, RFC 1929)."""
    if len(data) < 3 or data[0] != 5:
        return
    at = 2 + data[1]
    if 2 not in data[2:at] or data[at : at + 1] != b"\1" or len(data) < at + 2:
        return
    start = at + 3 + data[at + 1]
    if len(data) > start:
        yield start, min(start + data[start - 1], len(data))


def _of_frames(data: bytes) -> Iterator[Span]:
    """The field blocks of HTTP/2 (RFC 9113, section 4.3): packed as they are nobody can tell one field from another."""
    if data.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        at = 24
    elif data[3:9] == b"\x04\0\0\0\0\0":  # SETTINGS, which come first
        at = 0
    else:
        return
    while len(data) >= at + 9:
        start, kind = at + 9, data[at + 3]
        at = start + int.from_bytes(data[at : at + 3])
        if kind in (1, 9) and start < len(data):  # HEADERS, CONTINUATION
            yield start, min(at, len(data))


def _of_mqtt(data: bytes) -> Iterator[Span]:
    """The password of a CONNECT of MQTT, its last field (MQTT 5.0, section 3.1)."""
    at = _behind_number(data, 1)
    if data[:1] != b"\x10" or data[at : at + 6] != b"\0\4MQTT" or len(data) < at + 10:
        return
    has_properties, flags = data[at + 6] >= 5, data[at + 7]
    if not flags & 0x40:
        return

    def behind_text(at: int) -> int:
        return at + 2 + int.from_bytes(data[at : at + 2])

    def behind_properties(at: int) -> int:
        if not has_properties:
            return at
        end = _behind_number(data, at)
        return end + sum((byte & 0x7F) << 7 * place for place, byte in enumerate(data[at:end]))

    at = behind_text(behind_properties(at + 10))
    if flags & 4:
        at = behind_text(behind_text(behind_properties(at)))
    if flags & 0x80:
        at = behind_text(at)
    if len(data) > at + 2:
        yield at + 2, min(behind_text(at), len(data))


def _behind_number(data: bytes, at: int) -> int:
    """Where a number ends whose last byte alone has no highest bit."""
    while data[at : at + 1] >= b"\x80":
        at += 1
    return at + 1


def _mechanism(argument: bytes) -> int:
    """How much of an AUTH's argument is no secret: its first word."""
    found = re.match(rb"\S+[ \t]*", argument)
    return found.end() if found is not None else 0


def in_field(name: str, value: bytes, at: int) -> Iterator[Span]:
    """What of a header field's value is a secret: of cookies their values, of credentials not the scheme."""
    if name in ("cookie", "set-cookie"):
        for pair in re.compile(rb"[^;=]*=([^;]*)").finditer(value):
            yield at + pair.start(1), at + pair.end(1)
            if name == "set-cookie":
                return
        return
    scheme, space, _ = value.partition(b" ")
    skipped = len(scheme) + 1 if space and scheme.decode("latin-1").lower() in SCHEMES else 0
    yield at + skipped, at + len(value)


class _Redactor:
    """One recording."""

    def __init__(self, names: Collection[str], recording: Recording) -> None:
        self._secrets = _Secrets(names)
        self._given = recording
        self._commands: dict[Place, set[str]] = {}
        self._streams: dict[Stream, list[int]] = {}
        for index, event in enumerate(recording.events):
            if "command" in event:
                self._commands.setdefault(_where(event), set()).add(str(event["command"]).upper())
            if event["event"] in STREAMS:
                self._streams.setdefault((_where(event), event["event"]), []).append(index)

    def recording(self) -> Recording:
        """The recording without secrets."""
        changed = [self._exchange(event) if event["event"] == "exchange" else event for event in self._given.events]
        streams = {key: list(self._runs(key, indices)) for key, indices in self._streams.items()}
        again = self._secrets.literals()
        hidden: set[Place] = set()
        for (place, _), runs in streams.items():
            for indices, before, data, named in runs:
                spans = [*named, *_again(data, again)]
                if spans:
                    hidden.add(place)
                    self._divide(changed, indices, self._secrets.mask(data, spans)[before:])
        in_streams = {index for runs in streams.values() for indices, *_ in runs for index in indices}
        for index, event in enumerate(changed):
            if index not in in_streams:
                changed[index] = self._anywhere(event, again)
        facts = {name: self._anywhere(fact, again) for name, fact in self._given.head().items() if name != "netmocks"}
        events = [event for event in changed if event["event"] != "keys" or _where(event) not in hidden]
        if len(events) < len(changed):
            facts["notes"] = [*facts["notes"], "keys of TLS are left out where they would show what is masked"]
        return dataclasses.replace(self._given, **facts, events=events)

    # Exchanges, whose fields are known by name

    def _exchange(self, event: Event) -> Event:
        changed = dict(event)
        if str(event.get("command", "")).lower() in self._secrets.names and event.get("argument"):
            argument = event["argument"]
            kept = _mechanism(argument.encode()) if event["command"].upper().encode() in AUTH else 0
            changed["argument"] = self._value(argument, [(kept, len(argument.encode("utf-8", "surrogatepass")))])
            changed["title"] = event.get("title", "").replace(argument, changed["argument"])
        for side in ("request", "response"):
            message = event.get(side)
            if isinstance(message, dict) and "headers" in message:
                changed[side] = {**message, "headers": [self._field(*field) for field in message["headers"]]}
        return changed

    def _field(self, name: str, value: str) -> list[str]:
        if name.lower() not in self._secrets.names:
            return [name, value]
        return [name, self._value(value, list(in_field(name.lower(), value.encode("utf-8", "surrogatepass"), 0)))]

    def _value(self, text: str, spans: list[Span]) -> str:
        data = text.encode("utf-8", "surrogatepass")
        self._secrets.found |= {data[start:stop] for start, stop in spans if stop - start >= LITERAL}
        return _on_text(text, lambda given: self._secrets.mask(given, spans))

    # Bytes, by stream

    def _runs(self, key: Stream, indices: list[int]) -> Iterator[tuple[list[int], int, bytes, list[Span]]]:
        """Pieces that follow each other: which, bytes that are there to know the place, all bytes, and secrets."""
        events, run, end = self._given.events, list[int](), 0
        for index in [*indices, None]:
            event = events[index] if index is not None else None
            if run and (event is None or event["offset"] != end):
                before = self._before(key, events[run[0]]["offset"])
                data = before + b"".join(data_of(events[one]) for one in run)
                yield run, len(before), data, self._secrets.spans(data, self._commands.get(key[0]))
                run = []
            if event is not None and index is not None:
                run.append(index)
                end = event["offset"] + (event["size"] - event.get("missing", 0))

    def _before(self, key: Stream, offset: int) -> bytes:
        """What another stream had before this one went on."""
        indices = self._streams.get((key[0], PLACES.get(key[1], "")), [])
        pieces = [self._given.events[index] for index in indices]
        data = b"".join(data_of(one) for one in pieces if one["offset"] < offset)
        return data[:offset] if pieces and pieces[0]["offset"] == 0 and len(data) >= offset else b""

    def _divide(self, events: list[Event], indices: list[int], data: bytes) -> None:
        """Give each piece its bytes again."""
        for index in indices:
            event = events[index]
            size = event["size"] - event.get("missing", 0)
            piece, data = data[:size], data[size:]
            rest = {name: value for name, value in event.items() if name not in ("data", "base64", "missing")}
            events[index] = {**rest, **plain_data(piece, event["size"])}

    # Everything else

    def _anywhere(self, value: Any, again: re.Pattern[bytes] | None) -> Any:
        if isinstance(value, str):
            if again is None and self._secrets.names_none(value):
                return value
            return _on_text(value, lambda data: self._mask(data, again))
        if isinstance(value, list):
            return [self._anywhere(one, again) for one in value]
        if isinstance(value, dict):
            changed = {name: self._anywhere(one, again) for name, one in value.items() if name != "base64"}
            if "base64" in value:
                changed["base64"] = base64.b64encode(self._mask(data_of(value), again)).decode()
            return changed
        return value

    def _mask(self, data: bytes, again: re.Pattern[bytes] | None) -> bytes:
        return self._secrets.mask(data, [*self._secrets.spans(data), *_again(data, again)])


def _again(data: bytes, again: re.Pattern[bytes] | None) -> list[Span]:
    return [found.span() for found in again.finditer(data)] if again is not None else []


def _where(event: Event) -> Place:
    return event.get("server"), event.get("connection")
