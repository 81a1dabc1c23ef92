"""Archives read again, those of browsers too: pages become recordings, entries the events of exchanges.

An archive has no bytes of the wire: bodies are what it says of them, times are those of its phases.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import datetime
import json
from typing import Any
from urllib.parse import urlsplit

from pytest_netmocks.records.plain import plain_data
from pytest_netmocks.reports.har_entry import OPCODES
from pytest_netmocks.reports.recording import Recording

Json = dict[str, Any]

OURS = "pytest-netmocks"
PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
NOTE = "made of an archive, which has no bytes of the wire"

KINDS = {number: name for name, number in OPCODES.items()}
"""Opcodes of frames."""


def read(data: bytes) -> list[Recording]:
    """A recording for each page, and one for entries that are of none.

    Raises `ValueError`, or what the wrong shape of an archive leads to: `LookupError`, `TypeError`, `AttributeError`.
    """
    archive = json.loads(data.decode("utf-8-sig"))
    if not isinstance(archive, dict) or not isinstance(archive.get("log"), dict):
        raise ValueError('it is no archive: it has no "log"')
    log = archive["log"]
    ours = log.get("creator", {}).get("name") == OURS
    by_page: dict[str, list[Json]] = {page["id"]: [] for page in log.get("pages") or []}
    for entry in log["entries"]:
        by_page.setdefault(entry.get("pageref", ""), []).append(entry)
    pages = {page["id"]: page for page in log.get("pages") or []}
    return [_Reader(pages.get(name, {}), entries, ours=ours).recording() for name, entries in by_page.items()]


def _seconds(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp()


def _phase(entry: Json, name: str) -> float:
    """Seconds that a phase took; none are 0."""
    took = entry.get("timings", {}).get(name)
    return max(0.0, float(took)) / 1000 if took is not None else 0.0


class _Reader:
    """One page."""

    def __init__(self, page: Json, entries: list[Json], *, ours: bool) -> None:
        self._page = page
        self._entries = sorted(entries, key=lambda entry: _seconds(entry["startedDateTime"]))
        self._ours = ours
        self._facts: Json = page.get("_netmocks") or {}
        starts = [_seconds(entry["startedDateTime"]) for entry in self._entries[:1]]
        if page.get("startedDateTime"):
            starts.append(_seconds(page["startedDateTime"]))
        self._began = min(starts, default=0.0)
        self._servers: dict[str, Json] = {}
        for server in self._facts.get("servers", []):
            self._servers[server["name"]] = {**server, "began": self._began}
        self._connections: dict[tuple[int, str], int] = {}
        self._begun: dict[tuple[int, str], float] = {}
        """When the last exchange of each began: the next is not earlier, which rounding would make it."""
        self._rows: list[tuple[float, Json]] = []
        self._exchanges = 0

    def recording(self) -> Recording:
        """The recording."""
        for number, entry in enumerate(self._entries):
            self._entry(entry, number)
        self._rows.sort(key=lambda row: row[0])
        known = {field.name for field in dataclasses.fields(Recording)} - {"servers", "events"}
        facts = {name: fact for name, fact in self._facts.items() if name in known}
        facts["notes"] = [*facts.get("notes", []), NOTE]
        took = self._page.get("pageTimings", {}).get("onLoad")
        last = self._rows[-1][0] if self._rows else 0.0
        return Recording(
            title=str(self._page.get("title", "")),
            began=self._began,
            seconds=float(took) / 1000 if took is not None and float(took) > 0 else last,
            servers=list(self._servers.values()),
            events=[event for _, event in self._rows],
            **facts,
        )

    def _server(self, entry: Json) -> Json:
        url = urlsplit(entry["request"]["url"])
        name = entry.get("_netmocks", {}).get("server") or url.netloc or "?"
        if name not in self._servers:
            secure = url.scheme in ("https", "wss")
            host = entry.get("serverIPAddress") or url.hostname or ""
            self._servers[name] = {
                "id": max((server["id"] for server in self._servers.values()), default=0) + 1,
                "name": name,
                "kind": "HttpServer",
                "url": f"{url.scheme}://{url.netloc}",
                "address": [host.strip("[]"), url.port or PORTS.get(url.scheme, 0)],
                "tls": secure,
                "began": self._began,
            }
        return self._servers[name]

    def _entry(self, entry: Json, number: int) -> None:
        server = self._server(entry)
        facts: Json = entry.get("_netmocks") or {}
        key = server["id"], str(entry.get("connection") or f"entry {number}")
        new = key not in self._connections
        mine = sum(1 for one, _ in self._connections if one == server["id"])
        connection = self._connections.setdefault(key, facts.get("connection") or mine + 1)
        common = {"server": server["id"], "connection": connection}
        opened = _seconds(entry["startedDateTime"]) - self._began
        begun = opened + sum(_phase(entry, name) for name in ("blocked", "dns", "connect"))
        if new:
            if not self._ours:
                opened += _phase(entry, "blocked") + _phase(entry, "dns")
            self._put(opened, common, "opened", address=server["address"], text="opened")
            if (ssl := _phase(entry, "ssl")) > 0:
                done = opened + max(ssl, _phase(entry, "connect"))
                self._put(done, common, "handshake", text="the handshake is complete", step="complete")
        begun = self._begun[key] = max(begun, self._begun.get(key, begun))
        self._exchange(entry, facts, common, begun)

    def _exchange(self, entry: Json, facts: Json, common: Json, begun: float) -> None:
        request, response = entry["request"], entry["response"]
        self._exchanges += 1
        number = {"exchange": self._exchanges}
        rule = {"rule": facts["rule"]} if facts.get("rule") else {}
        status = int(response.get("status") or 0)
        target = _target(request)
        title = f"{request['method']} {target} -> {status or 'no answer'}"
        told = {
            "kind": "HttpRequest",
            "title": title + (f" by {facts['rule']}" if rule else ""),
            "request": _asked(request, target, facts),
            **({"response": _answered(response, status)} if status else {}),
            **({"unanswered": facts["unanswered"]} if facts.get("unanswered") else {}),
        }
        self._put(begun, common, "exchange", **number, phase="begun", **told, **rule)
        sent = begun + _phase(entry, "send")
        if _phase(entry, "send") and told["request"]["body"]:
            self._put(sent, common, "exchange", **number, phase="body")
        answered = sent + _phase(entry, "wait")
        over = answered + _phase(entry, "receive")
        self._marks(facts, common, answered, over)
        if status:
            self._put(answered, common, "exchange", **number, phase="answered", **rule)
            upgraded = entry.get("_webSocketMessages") is not None
            if not response.get("_error"):
                self._put(answered if upgraded else over, common, "exchange", **number, phase="delivered")
        if response.get("_error"):
            self._put(over, common, "note", text=str(response["_error"]), about="connection")
        if entry.get("_webSocketMessages") is not None:
            for message in entry["_webSocketMessages"]:
                self._message(message, common)
            self._put(over, common, "closed", text="closed")  # such an entry lasts as long as its connection

    def _message(self, message: Json, common: Json) -> None:
        self._exchanges += 1
        opcode = KINDS.get(int(message["opcode"]), "text")
        data = _bytes(message["data"], base64_coded=opcode != "text")
        direction = "received" if message["type"] == "send" else "sent"
        facts = {"direction": direction, "opcode": opcode, "fragments": 1, "size": len(data), **plain_data(data)}
        title = f"{'>' if direction == 'received' else '<'} {opcode} {message['data'][:40]!r}"
        self._put(
            float(message["time"]) - self._began, common, "exchange", exchange=self._exchanges, phase="message",
            kind="WsMessage", title=title, message=facts,
        )  # fmt: skip

    def _marks(self, facts: Json, common: Json, answered: float, over: float) -> None:
        """What faults did, as far as an archive of ours says."""
        for fault in facts.get("faults", []):
            text = {"fault": fault, "received": 0, "delivered": 0, "what": "strikes", "text": f"{fault} strikes"}
            self._put(answered, common, "struck", **text)
        for kind, at in (("held", answered), ("lost", over)):
            for took in facts.get(kind, []):
                place = {"direction": took["direction"], "offset": 0, "size": took["bytes"], "layer": took["layer"]}
                who = {"faults": took["faults"]} if kind == "held" else {"fault": " + ".join(took["faults"])}
                self._put(at, common, "held" if kind == "held" else "swallowed", **place, **who)
        for text in facts.get("unmatched", []):
            self._put(answered, common, "unmatched", text=text)
        for text in facts.get("failed", []):
            error = text.removeprefix("the handler raised ").partition(":")[0]
            self._put(answered, common, "failed", error=error, text=text, traceback=text)

    def _put(self, at: float, common: Json, kind: str, /, **facts: Any) -> None:
        event = {"server": common["server"], "at": round(at, 7), "event": kind, "connection": common["connection"]}
        self._rows.append((at, {**event, **facts}))


def _target(request: Json) -> str:
    url = urlsplit(request["url"])
    if request["method"] == "CONNECT":
        return url.netloc
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _fields(message: Json) -> list[list[str]]:
    return [[str(field["name"]), str(field["value"])] for field in message.get("headers", [])]


def _version(message: Json) -> str:
    return str(message.get("httpVersion") or "").upper().removeprefix("HTTP/") or "1.1"


def _asked(request: Json, target: str, facts: Json) -> Json:
    posted = request.get("postData") or {}
    coded = "base64" in (posted.get("_encoding"), posted.get("encoding"))
    body = _bytes(posted.get("text") or "", base64_coded=coded)
    return {
        "method": request["method"],
        "target": target,
        "version": _version(request),
        "headers": _fields(request),
        "body": plain_data(body, max(len(body), int(request.get("bodySize") or 0))),
        "complete": not facts.get("incomplete"),
        "broken_off": facts.get("brokenOff"),
    }


def _answered(response: Json, status: int) -> Json:
    """The answer; its body is told without its coding, so that no field is to say otherwise."""
    content = response.get("content") or {}
    body = _bytes(content.get("text") or "", base64_coded=content.get("encoding") == "base64")
    headers = _fields(response)
    if "compression" in content or content.get("size") == len(body) != response.get("bodySize"):
        headers = [field for field in headers if field[0].lower() != "content-encoding"]
    return {
        "status": status,
        "headers": headers,
        "body": plain_data(body, max(len(body), int(content.get("size") or 0))),
    }


def _bytes(text: str, *, base64_coded: bool) -> bytes:
    if not base64_coded:
        return text.encode("utf-8", "replace")
    try:
        return base64.b64decode(text)
    except binascii.Error as error:
        raise ValueError(f"a body is no base64: {error}") from None
