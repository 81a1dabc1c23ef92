"""One entry of an archive: a request, its answer as delivered, how long each phase took, and what faults did to it."""

from __future__ import annotations

import math
from typing import Any

from pytest_netmocks.records.addresses import ip_text
from pytest_netmocks.records.plain import data_of
from pytest_netmocks.reports import har_parts
from pytest_netmocks.reports.conversation import Conversation, Plain
from pytest_netmocks.reports.messages import value
from pytest_netmocks.reports.recording import Recording
from pytest_netmocks.reports.turns import Answered, Turn

OPCODES = {"text": 1, "binary": 2, "ping": 9, "pong": 10}
"""RFC 6455, section 11.8."""


def entry(conversation: Conversation, turn: Turn, recording: Recording, *, first: bool) -> tuple[float, Plain]:
    """When it began, in seconds since 1970, and the entry; `first` if it is the first of its connection."""
    began = recording.began_of({"server": conversation.server["id"]})
    upgraded = _upgraded(conversation, turn)
    clock = _Clock(conversation, turn, first=first, upgraded=upgraded)
    timings = clock.timings()
    request = turn.request
    made: Plain = {
        "startedDateTime": har_parts.iso(began + clock.started),
        "time": _milliseconds(sum(max(took, 0.0) for name, took in timings.items() if name != "ssl")),
        "request": _request(conversation, turn, upgraded=upgraded),
        "response": _response(turn, _why(conversation, turn)),
        "cache": {},
        "timings": {name: -1 if took < 0 else _milliseconds(took) for name, took in timings.items()},
    }
    ip = _ip(conversation.address or conversation.server.get("address"))
    if ip:
        made["serverIPAddress"] = ip
    made["connection"] = f"{conversation.server['id']}-{conversation.number}"
    made["_resourceType"] = "websocket" if upgraded else "fetch"
    if upgraded:
        made["_webSocketMessages"] = [_message(event, began) for event in conversation.messages]
    made["_netmocks"] = _facts(conversation, turn, clock, request)
    return began + clock.started, made


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _ip(address: Any) -> str:
    try:
        return ip_text(str(address[0]).partition("%")[0])
    except (ValueError, TypeError, IndexError):
        return ""  # it is no address of IP


def _upgraded(conversation: Conversation, turn: Turn) -> bool:
    answer = turn.answer
    switched = answer is not None and answer.status is not None and answer.status.code == 101
    return switched and value(turn.request["headers"], "upgrade").lower() == "websocket"


class _Clock:
    """When each phase began and ended, in seconds since the server started."""

    def __init__(self, conversation: Conversation, turn: Turn, *, first: bool, upgraded: bool) -> None:
        asked, answer = turn.asked, turn.answer
        began = turn.seen.began
        start, end = asked.start, asked.end
        self.first = min(self._at(conversation, start, began), began)
        self.last = max(self.first, self._at(conversation, end - 1 if end else None, self.first))
        new = first and not conversation.old and conversation.opened is not None
        self.opened = min(conversation.opened or 0.0, self.first) if new else None
        self.secured = conversation.secured if new else None
        self.started = self.first if self.opened is None else self.opened
        delivered = conversation.delivered
        head = delivered.at(answer.start) if answer is not None and answer.end > answer.start else None
        over = conversation.ended if conversation.ended is not None else conversation.last
        if answer is not None and (turn.in_frames or not conversation.sent.pieces) and turn.seen.answered is not None:
            self.head = turn.seen.answered  # of the bytes there is nothing
            self.over = over if upgraded else max(self.head, turn.seen.over or 0.0)
        elif head is None or answer is None:
            self.head = self.over = max(self.first, over)
        else:
            self.head = head
            self.over = over if upgraded else delivered.at(answer.end - 1) or head

    @staticmethod
    def _at(conversation: Conversation, offset: int | None, otherwise: float) -> float:
        """When a byte of the client came, at the faults where there are some."""
        if offset is None:
            return otherwise
        for stream in (conversation.arrived, conversation.received):
            at = stream.at(offset)
            if at is not None:
                return at
        return otherwise

    def timings(self) -> dict[str, float]:
        """Seconds that each phase took; below 0 where there was none."""
        blocked = connect = -1.0
        if self.opened is not None:
            connect = self.secured - self.opened if self.secured is not None else -1.0
            blocked = max(0.0, self.first - self.opened - max(connect, 0.0))
        last = min(self.last, self.head)  # it may be answered before all of it is there
        return {
            "blocked": blocked,
            "dns": -1.0,
            "connect": connect,
            "ssl": connect,
            "send": last - self.first,
            "wait": max(0.0, self.head - last),
            "receive": max(0.0, self.over - self.head),
        }


def _request(conversation: Conversation, turn: Turn, *, upgraded: bool) -> Plain:
    request, asked = turn.request, turn.asked
    fields = request["headers"]
    head = asked.head_end - asked.start if asked.head_end is not None and asked.start is not None else -1
    made: Plain = {
        "method": request["method"],
        "url": har_parts.url(conversation.server, request, websocket=upgraded),
        "httpVersion": f"HTTP/{request['version']}",
        "cookies": har_parts.cookies(fields),
        "headers": har_parts.pairs(fields),
        "queryString": har_parts.query(request["target"]),
        "headersSize": head,
        "bodySize": len(asked.body) + asked.missing,
    }
    if asked.body or asked.missing:
        made["postData"] = har_parts.post_data(fields, asked.body, asked.missing)
    return made


def _response(turn: Turn, why: str) -> Plain:
    answer = turn.answer or Answered(0, 0)
    status = answer.status
    made: Plain = {
        "status": status.code if status else 0,
        "statusText": status.reason if status else "",
        "httpVersion": f"HTTP/{status.version}" if status else "",
        "cookies": har_parts.set_cookies(answer.fields),
        "headers": har_parts.pairs(answer.fields),
        "content": har_parts.content(answer.fields, answer.body, answer.missing, whole=answer.complete),
        "redirectURL": value(answer.fields, "location"),
        "headersSize": -1 if answer.head_size is None else answer.head_size,
        "bodySize": len(answer.body) + answer.missing if status or answer.body else -1,
        "_transferSize": -1 if turn.in_frames else answer.end - answer.start,
    }
    if why:
        made["_error"] = why
    return made


def _why(conversation: Conversation, turn: Turn) -> str:
    """Why there is no whole answer; empty if there is."""
    seen, answer = turn.seen, turn.answer
    if answer is not None and answer.complete:
        cipher = sum(mark["size"] for mark in _lost(conversation, turn) if mark["layer"] == "tls")
        return f"{cipher} bytes of its cipher text never came: {conversation.end}" if cipher else ""
    if seen.facts.get("unanswered"):
        return f"not answered: {seen.facts['unanswered']}"
    if seen.facts.get("unseen"):
        return "no answer: the request never reached the server"
    end = conversation.end or "the connection was still open at the end"
    if answer is None or (answer.end == answer.start and not turn.in_frames):
        return f"no answer: {end}"
    if answer.lost:
        return f"{answer.lost} bytes of the answer never came: {end}"
    return "what came is no answer of HTTP" if answer.status is None else f"the answer is not whole: {end}"


def _until(turn: Turn) -> float:
    return math.inf if turn.until is None else turn.until


def _lost(conversation: Conversation, turn: Turn) -> list[Plain]:
    """What was thrown away on the way to the client."""
    marks = conversation.between(turn.seen.began, _until(turn))
    return [mark for mark in marks if mark["event"] == "swallowed" and mark["direction"] == "downstream"]


def _facts(conversation: Conversation, turn: Turn, clock: _Clock, request: Plain) -> Plain:
    """What HAR has no place for, without what is empty."""
    seen = turn.seen
    marks = conversation.between(clock.first, _until(turn))
    lost = [mark for mark in marks if mark["event"] == "swallowed"]
    held = [mark for mark in marks if mark["event"] == "held"]
    facts: Plain = {
        "server": conversation.server.get("name"),
        "connection": conversation.number,
        "exchange": seen.number,
        "rule": seen.rule or seen.facts.get("rule"),
        "unseen": seen.facts.get("unseen"),
        "unanswered": seen.facts.get("unanswered"),
        "brokenOff": request.get("broken_off"),
        "incomplete": not request.get("complete", True),
        "faults": list(dict.fromkeys(mark["fault"] for mark in marks if mark["event"] == "struck")),
        "lost": [_took(mark, [mark["fault"]]) for mark in lost],
        "held": [_took(mark, mark["faults"]) for mark in held],
        "failed": [mark["text"] for mark in marks if mark["event"] == "failed"],
        "unmatched": [mark["text"] for mark in marks if mark["event"] == "unmatched"],
        "interim": [
            {
                "time": _milliseconds(at - clock.started),
                "status": status.code,
                "statusText": status.reason,
                "headers": har_parts.pairs(fields),
            }
            for at, status, fields in turn.interim
        ],
    }
    return {name: fact for name, fact in facts.items() if fact}


def _took(mark: Plain, faults: list[str]) -> Plain:
    return {"bytes": mark["size"], "direction": mark["direction"], "layer": mark["layer"], "faults": faults}


def _message(event: Plain, began: float) -> Plain:
    """As Chromium has it: from the client's side, binary data in base64."""
    message = event["message"]
    data = data_of(message)
    text = data.decode("utf-8", "replace") if message["opcode"] == "text" else har_parts.base64_of(data)
    kind = "send" if message["direction"] == "received" else "receive"
    made = {"type": kind, "time": round(began + event["at"], 6), "opcode": OPCODES[message["opcode"]], "data": text}
    return made | ({"_missing": message["missing"]} if message.get("missing") else {})
