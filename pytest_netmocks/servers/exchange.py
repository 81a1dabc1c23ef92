"""`Exchange`: one answer on a stream, with the faults of the rules around it.

    stream:   ... the answer before | head | payload            | tail | the next ...
    place               link.written ^      ^ after_bytes counts from here, the payload's bytes alone

An answer's faults are armed just before it is written, at places in the stream that `link.written` tells: a fault that
waits for bytes stands so many behind the payload's beginning, one that waits for none stands before the head, and what
shapes lasts for the payload. What comes after the answer is struck by none of them.

Example: 100 bytes have been written, the head has 20 and the payload 50. `Reset(after_bytes=10)` is armed for position
130; `Latency(1)` delays positions 120 to 170; `Close()` stands at 100, so that nothing of the answer goes out. With a
payload of 5 bytes the reset is not armed at all: the answer is too short for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.gate import Action
from pytest_netmocks.engine.shaper import nothing
from pytest_netmocks.faults.base import EndingFault, ShapingFault, SpoilingFault
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.flows import DOWN, NEVER, UP
from pytest_netmocks.link.link import Link
from pytest_netmocks.rules.base import Verdict

HELD = 1 << 20
"""Bytes of a streamed answer that are kept for a fault that speaks in its place."""


class Hearer(Protocol):
    """Who is told what of an answer in pieces goes out, before it does: that is what belongs on record."""

    def begins(self, head: bytes) -> None:
        """As much of what comes before the payload as the faults let out; it may be nothing."""

    def goes(self, payload: bytes) -> None:
        """As much of a piece of the payload as the faults let out."""


class Exchange:
    """One exchange on a stream whose rules were asked: it arms their faults around the answer.

    An answer that is there as a whole is given with `answer`; one in pieces with `begin`, `piece` and `end`, where
    `after_bytes` counts the pieces without what is around them.
    """

    # What only an answer in pieces needs, or one with several verdicts, is set where that begins.
    _waiting: list[tuple[Injection, Draws]]
    _shaping: list[Injection]
    _payload = 0
    _messages = 0
    _others: tuple[Verdict[Any], ...] = ()
    _hearer: Hearer | None = None
    _held: tuple[bytes, bytearray] | None = None
    """Head and payload so far of an answer that a fault will speak in place of."""

    def __init__(self, link: Link, verdict: Verdict[Any], request: object = None) -> None:
        self._link = link
        self._request = request
        """What is answered, as it is on record."""
        self._verdict = verdict

    def also(self, verdict: Verdict[Any]) -> None:
        """Let the faults of another verdict strike too."""
        self._verdict.injections.extend(verdict.injections)
        self._verdict.draws.extend(verdict.draws)
        self._others += (verdict,)

    @property
    def passes_whole(self) -> bool:
        """Whether nothing is known that would keep any of the answer from going out."""
        return not self._verdict.injections and self._link.lets_answers_be()

    @property
    def swallowed(self) -> bool:
        """Whether a fault strikes in place of the answer and nothing can bring it back."""
        return self.replaced and not any(
            isinstance(fault, EndingFault) and (fault.action is Action.HOLD or fault.after)
            for fault in (injection.fault for injection, _ in self._verdict.in_force())
        )

    @property
    def replaced(self) -> bool:
        """Whether a fault strikes in place of the answer, which then nobody gives."""
        faults = [injection.fault for injection, _ in self._verdict.in_force() if not _is_upward(injection)]
        return any(
            isinstance(fault, SpoilingFault)
            or (isinstance(fault, EndingFault) and fault.after_bytes is None and fault.after_messages is None)
            for fault in faults
        )

    def answer(self, head: bytes, payload: bytes, told: Callable[[bytes], None] | None = None) -> None:
        """Send the answer: framing that does not count, and the payload that `after_bytes` counts.

        Before anything goes out `told` hears what will: all of it, as much as the faults let through, nothing where one
        strikes in its place. That is what belongs on record.
        """
        link, verdict = self._link, self._verdict
        if link.on_answers:
            self._join()
        request = self._request
        if request is not None:
            link.record.answered(request, verdict.answering)
        if not verdict.injections:
            data = head + payload
            if told is not None:
                told(link.passing(data))
            link.write(data)
            if request is not None and not link.is_closing():
                link.record.sent_all(request)
            return
        instead = self._instead(head, payload)
        if instead is not None:
            self._say_last(instead, told)
            return
        start = link.written
        body = (start + len(head), start + len(head) + len(payload))
        for injection, draws in self._verdict.in_force():
            fault = injection.fault
            place = start
            if _is_upward(injection):
                continue  # it waits for a tunnel, and there is none
            if isinstance(fault, EndingFault) and fault.after_messages is not None:
                if fault.after_messages > 1:
                    continue  # what is given as a whole is one
                place = body[fault.after_messages]
            # An answer that is all head is late as a whole.
            span = body if payload or not isinstance(injection.fault, ShapingFault) else (start, start + len(head))
            self._arm(injection, draws, place=place, payload=span)
        self._say(head + payload, told)
        if request is not None and not link.is_closing():
            link.record.sent_all(request)

    def _join(self) -> None:
        """Let the faults of the connection that count messages strike this answer too."""
        for injection, draws in self._link.on_answers:
            if injection not in self._verdict.injections:
                self._verdict.injections.append(injection)
                self._verdict.draws.append(draws)

    def _arm(self, injection: Injection, draws: Draws, **where: Any) -> None:
        of_the_connection = any(injection is one for one, _ in self._link.on_answers)
        self._link.arm(injection, also=nothing if of_the_connection else self._struck, draws=draws, **where)

    def _say(self, data: bytes, told: Callable[[bytes], None] | None) -> None:
        if told is not None:
            told(self._link.passing(data))
        self._link.write(data)

    def _say_last(self, data: bytes, told: Callable[[bytes], None] | None) -> None:
        """Send what is no answer of the protocol's, and end the connection."""
        self._say(data, told)
        self._link.close()

    def close_if_last(self) -> bool:
        """End the connection in good order if the rule says that its answer is the last; whether it does."""
        if self._verdict.then_close:
            self._link.close()
        return self._verdict.then_close

    def open(self, head: bytes, take_early: Callable[[], bytes] = bytes) -> None:
        """Send what goes before a tunnel, whose bytes `after_bytes` counts from here on, either way.

        `take_early` gives what belongs into the tunnel and has come already; where a fault counts that, it comes again.
        """
        link = self._link
        start = link.written
        upward = self._verdict.take_upward()
        for injection, draws in self._verdict.in_force():
            self._arm(injection, draws, place=start, payload=(start + len(head), NEVER))
        if self._request is not None:
            link.record.answered(self._request, self._verdict.answering)
        link.write(head)
        if upward and not link.over:
            with link.again(take_early()) as place:
                for injection, draws in upward:
                    self._arm(injection, draws, payload=(place, NEVER), side=UP)

    def begin(self, head: bytes, hearer: Hearer | None = None) -> None:
        """Send what comes before the payload; the hearer is told of that and of all pieces."""
        link, verdict = self._link, self._verdict
        self._hearer = hearer
        self._waiting, self._shaping = [], []
        if link.on_answers:
            self._join()
        if verdict.injections:
            if any(isinstance(injection.fault, SpoilingFault) for injection, _ in self._verdict.in_force()):
                self._held = head, bytearray()
                return
            start = link.written
            for injection, draws in self._verdict.in_force():
                fault = injection.fault
                if _is_upward(injection):
                    continue
                if isinstance(fault, EndingFault) and fault.after_messages == 0:
                    self._arm(injection, draws, place=start + len(head), payload=(start, NEVER))
                    continue
                if isinstance(fault, EndingFault) and (fault.after_bytes or fault.after_messages):
                    self._waiting.append((injection, draws))
                    continue
                if isinstance(fault, ShapingFault):
                    self._shaping.append(injection)
                span = (start + len(head), NEVER)
                self._arm(injection, draws, place=start, payload=span)
        if hearer is not None:
            hearer.begins(link.passing(head))
        if self._request is not None:
            link.record.answered(self._request, verdict.answering)
        link.write(head)

    def piece(self, before: bytes, data: bytes, after: bytes, *, whole: bool = True) -> None:
        """Send a piece of the payload, with the framing around it; `whole` if a message ends with it."""
        link = self._link
        if self._held is not None:
            if len(self._held[1]) < HELD:
                self._held[1].extend(data)
            return
        for injection, draws in list(self._waiting):
            if injection.lifted:
                continue
            fault = injection.fault
            assert isinstance(fault, EndingFault)
            if fault.after_messages is None and (fault.after_bytes or 0) <= self._payload + len(data):
                self._waiting.remove((injection, draws))
                span = (link.written + len(before) - self._payload, NEVER)
                self._arm(injection, draws, payload=span)
        self._payload += len(data)
        framed = before + data + after
        if self._hearer is not None:
            self._hearer.goes(data[: max(0, len(link.passing(framed)) - len(before))])
        link.write(framed)
        self._messages += whole
        for injection, draws in list(self._waiting):
            fault = injection.fault
            if getattr(fault, "after_messages", None) == self._messages and whole and not injection.lifted:
                self._waiting.remove((injection, draws))
                here = link.written
                self._arm(injection, draws, place=here, payload=(here, NEVER))

    def end(self, tail: bytes) -> None:
        """Send what comes after the payload."""
        if self._held is not None:
            head, payload = self._held
            self._held = None
            self.answer(head, bytes(payload), lambda going: self._heard(going, head))
            return
        self._link.write(tail)
        for injection in self._shaping:
            self._link.answer_ends(injection)
        if self._request is not None and not self._link.is_closing():
            self._link.record.sent_all(self._request)

    def _heard(self, going: bytes, head: bytes) -> None:
        """Tell the hearer of an answer that was held back, unless a fault speaks in its place."""
        if self._hearer is not None and going.startswith(head[: len(going)]):
            self._hearer.begins(going[: len(head)])
            self._hearer.goes(going[len(head) :])

    def _instead(self, head: bytes, payload: bytes) -> bytes | None:
        for injection, draws in self._verdict.in_force():
            if isinstance(injection.fault, SpoilingFault):
                injection.hits += 1
                self._struck()
                self._link.strike_answer(injection.fault)
                return injection.fault.instead(head, payload, draws)
        return None

    def _struck(self) -> None:
        """An exchange that a rule both answers and strikes is one hit of it."""
        for verdict in (self._verdict, *self._others):
            verdict.struck()


def _is_upward(injection: Injection) -> bool:
    return getattr(injection.fault, "direction", DOWN) == UP
