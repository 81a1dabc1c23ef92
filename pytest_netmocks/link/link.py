"""The link: one layer of a connection with the faults of its bytes between what stands above and what is below.

             protocol, TLS or relay                 (Above)
        write |                  ^ data_received
              v                  |
    record.sent             record.received         what the server says and sees
              |                  |
         flows.down           flows.up              a pipe each, only where a fault is
              v                  |
    record.delivered             |
        write |                  ^ data_received
              v                  |
              TLS, tap or wire                      (Below)

With no fault armed a piece passes with a direct call: count, record, hand over. With faults each direction has a `Pipe`
that decides, and the link acts on its verdicts. `inbound` is the way up, `outbound` the way down; here are the faults
and the ends.

Which ends there are, and what each of them leads to, is the table in `ends`.

Always true: once `over`, nothing is handed up and nothing written any more, whatever the wire still has to do. What the
client can see is on record before it leaves. Example: with `Close(after_bytes=4)` a server that writes 10 bytes has 10
on record as sent and 4 as delivered; the link is over, and the wire still has a FIN to send.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

from pytest_netmocks.engine.counting import Ends
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.gate import Action, Gate
from pytest_netmocks.engine.shaper import Eof, Item, nothing
from pytest_netmocks.injections.injection import Injection
from pytest_netmocks.link.ends import Act, Event, State
from pytest_netmocks.link.flows import DOWN, UP, Flows, Side
from pytest_netmocks.link.outbound import Outbound
from pytest_netmocks.link.ports import Above, Below, Carried, End, Record
from pytest_netmocks.records.connection import Ender
from pytest_netmocks.records.events import Sign

LOOK, LONG_LOOK = 0.02, 0.5
"""Seconds between looks for a client that has finished, the first and the longest."""


LAST = 1.0
"""Seconds in which a protocol may read what came before its connection was lost."""


Top = asyncio.BaseProtocol | Above
"""What a link carries: a protocol, or a layer."""


class Link(Outbound):
    """One connection (or one layer of it) as the protocol above sees it."""

    __slots__ = ("_parting", "_told", "carried", "on_over", "on_session")

    def __init__(self, loop: asyncio.AbstractEventLoop, record: Record) -> None:
        super().__init__(loop, record)
        self._flows = Flows(loop, self)
        self._told = False
        """Whether the client's FIN is on record."""
        self._parting: asyncio.TimerHandle | None = None
        self.carried: Carried | None = None
        """The streams that it carries within, once it speaks HTTP/2."""
        self.on_session: tuple[Injection, ...] = ()
        """Faults of a connection of HTTP/2 as a whole: of its streams' carrier."""
        self.on_over: Callable[[], None] | None = None
        """Called once when the connection has ended for the server, after what stands above has heard of it."""

    def stand_on(self, below: Below) -> None:
        """Send through this one from now on."""
        self._below = below
        if self._flows.started:
            self._keep_pieces()

    def carry(self, above: Above) -> None:
        """Tell this one from now on."""
        self._above = above
        if self._flows.started:
            self._keep_pieces()

    def start(self, extra: dict[str, Any]) -> None:
        """The layers below are there: faults that strike at once do so now, before anything above sees anything."""
        self._extra = extra
        self._flows.started = True
        if self._flows.apart:
            self._keep_pieces()
        self._flows.run_all()

    def begin(self, factory: Callable[[], Top]) -> None:
        """Give the connection to a protocol or a layer; what came before it is handed to it first."""
        if self._state.over:
            return
        try:
            top = factory()
            if self._state.over:  # a fault on the greeting
                return
            if isinstance(top, asyncio.BaseProtocol):
                self.set_protocol(top)
                top.connection_made(self)
            else:
                self.carry(top)
                top.connected()
        except Exception as error:  # noqa: BLE001  # whatever a handler raises goes on record and fails the test
            self._fail(error)
        self._hand_up()
        if not self._reading_paused and not self._state.over:
            self._below.resume_reading()

    def connected(self) -> None:
        """Begin with the layer that was put on this one."""
        assert self._above is not None
        above = self._above
        self.begin(lambda: above)

    # What the layer below calls

    def data_received(self, data: bytes) -> None:
        """The client's bytes come in."""
        pipe = self._flows.up
        if pipe is None:
            self._arrive(data)
        else:
            self.record.arrived(data)
            self._flows.feed(pipe, data)

    def peer_finished(self) -> None:
        """The client's FIN (or its like in the layer below) comes in."""
        self._finished()
        self.end_of_stream()

    def peer_hung_up(self) -> None:
        """The client's FIN is there, behind bytes that nobody wants to read just now."""
        if self._state.over:
            return
        self._finished()
        if self._above is not None:
            self._above.peer_hung_up()
        self._see_off()

    def _finished(self) -> None:
        if not self._told:
            self._told = True
            self.record.ended("client", "the client has finished", "FIN")

    def end_of_stream(self) -> None:
        """The client's bytes are at their end, and why is on record."""
        pipe = self._flows.up
        if pipe is None:
            self._arrive_eof()
        else:
            self._flows.feed(pipe, Eof.EOF)
        if not self._state.over:
            self._see_off()

    def _see_off(self, pause: float = LOOK) -> None:
        """Look now and then whether the client that has finished is still there for what it may get."""
        if self._parting is None and not self._state.over:
            self._parting = self._loop.call_later(pause, self._look, min(2 * pause, LONG_LOOK))

    def _look(self, pause: float) -> None:
        self._parting = None
        if self._state.over:
            return
        unread = bool(self._backlog) or (not self._state.client_is_done and self._below.unread)
        awaited = self._pauses > 0
        if self._flows.idles(unread=unread, awaited=awaited) or not self._below.deserted:
            self._see_off(pause)
        elif self._flows.holds_nothing_down and not awaited:
            self.record.closed("client")  # what a fault holds of its bytes can still be released
        else:
            self._end("client", None)
            self._below.finish(at_once=True)

    def ending(self) -> None:
        """The last FIN is about to go out."""
        self._end("server", None)

    def end_sent(self, end: End) -> None:
        """Our FIN or RST goes out."""
        if self._above is not None:
            self._above.end_sent(end)

    def in_pieces(self, *, apart: bool) -> None:
        """The faults of the layer below have cut what comes; those of this one see to it for themselves."""

    def wire_lost(self, error: Exception | None) -> None:
        """The connection is gone: by the client, since all our own ends are on record before."""
        if error is not None and not self._state.over:
            sign: Sign | None = "RST" if isinstance(error, ConnectionResetError) else None
            self.record.ended("client", f"the connection is lost: {error}", sign)
        if self._backlog and self._above is not None and not self._state.over:
            # A protocol that reads slowly is to see what came before the end; one that does not read at all is not.
            if self._parting is not None:
                self._parting.cancel()
            self._parting = self._loop.call_later(LAST, self._end, "client", error)
            self._when_read = functools.partial(self._end, "client", error)
        else:
            self._end("client", error)

    def gone(self, error: Exception | None) -> None:
        """The layer below is at its end, and why is on record."""
        self._end("client", error)

    def _fail(self, error: Exception) -> None:
        self.record.failed(error)
        self.close()

    # The faults

    def arm(
        self,
        injection: Injection,
        *,
        place: int | None = None,
        payload: tuple[int, int] | None = None,
        side: Side = DOWN,
        also: Callable[[], None] = nothing,
        draws: Draws | None = None,
        ends: Ends | None = None,
    ) -> None:
        """Strike this connection with the injection's fault, counted from now.

        For one exchange only, `payload` says where in the stream of that `side` its payload begins and ends, and
        `place` where the fault stands if it waits for no byte of it. `also` is called at its hit, and `draws` are
        those of the exchange, if it was chosen before. `ends` finds the messages that the fault counts in all that is
        written from now on.
        """
        self.on_answers = tuple(one for one in self.on_answers if one[0] is not injection)
        done = False

        def hit() -> None:
            nonlocal done
            if not done:
                done = True
                injection.hits += 1
                also()
                self.record.struck(injection.fault)

        self._flows.arm(injection, hit, place, payload, side, draws, ends)
        if self._flows.down is not None and not self._divided:
            self._divided = True
            self.record.divide()

    def answer_ends(self, injection: Injection) -> None:
        """The payload that the injection was armed for, without an end, ends with what has been written."""
        self._flows.answer_ends(injection)

    def disarm(self, injection: Injection) -> None:
        """Lift it: what was held goes on, what was swallowed is gone, and a connection that went silent stays so."""
        self.on_answers = tuple(one for one in self.on_answers if one[0] is not injection)
        self._flows.disarm(injection)
        if self.carried is not None:
            self.carried.disarm(injection)
        self._settle(tuple(one for one in self.on_session if one is not injection))

    def arm_session(self, injection: Injection) -> None:
        """Strike what a connection of HTTP/2 says of itself; one that speaks something else hears nothing of it."""
        self._settle((*self.on_session, injection))

    def _settle(self, faults: tuple[Injection, ...]) -> None:
        if faults != self.on_session:
            self.on_session = faults
            if self.carried is not None:
                self.carried.settle()

    @property
    def written(self) -> int:
        """The position in the stream that the next byte written will have, for `arm`."""
        return self._flows.pipe(DOWN).fed

    @property
    def awaited(self) -> int:
        """The position in the stream that the next byte which the protocol gets will have, for `arm`."""
        return self._flows.pipe(UP).position

    # What the flows call

    def deliver(self, item: Item, *, upward: bool) -> None:
        """Bytes, or the end of the stream, have come through the faults."""
        if isinstance(item, Eof):
            if upward:
                self._arrive_eof()
            else:
                self._happens(Event.RST_THROUGH if item is Eof.RESET else Event.FIN_THROUGH)
        elif upward:
            self._arrive(bytes(item))
        else:
            if self._divided:
                self.record.delivered(item)
            self._below.write(item)

    def strike(self, gate: Gate, *, upward: bool) -> None:
        """A fault ends the connection, or what the server sees of it."""
        self.record.ended("fault", "cut by the fault", "FIN" if gate.action is Action.FIN else "RST")
        if gate.action is Action.FIN and upward:
            self._arrive_eof()
            return
        self._end("fault", ConnectionResetError("reset by a fault") if gate.action is Action.RST else None)
        if gate.action is Action.RST:
            self._below.reset(at_once=not gate.waits_for_bytes)
        else:
            self._below.finish(notify=gate.notifies)

    def end_swallowed(self, *, upward: bool, both: bool) -> None:
        """An end of the stream was swallowed: over for the records, and for the server if nothing is left to do."""
        self._happens(Event.ALL_LOST if both else Event.CLIENT_END_LOST if upward else Event.SERVER_END_LOST)

    def balance(self, *, upward: bool, full: bool) -> None:
        """A pipe is full, or has room again."""
        if upward:
            self._up_full = full
            self._balance_reading()
        else:
            self._down_full = full
            self._balance_writing()

    def keep_pieces(self, *, upward: bool, apart: bool) -> None:
        """What a fault has cut reaches the client in these pieces, and what is behind a proxy."""
        if not upward:
            self._below.keep_apart(apart=apart)
        elif self._above is not None:
            self._above.in_pieces(apart=apart)

    def _keep_pieces(self) -> None:
        for side in self._flows.apart:
            self.keep_pieces(upward=side == UP, apart=True)

    # Ends

    def _do(self, act: Act) -> None:
        match act:
            case Act.SEND_FIN:
                self._send_fin()
            case Act.FINISH:
                self._below.finish()
            case Act.TELL_FINISHED:
                self._tell_finished()
            case Act.HALF_CLOSE:
                self._below.write_eof()
            case Act.SEND_RST:
                self._send_rst()
            case Act.RESET:
                self._wind_up("server", ConnectionResetError("reset by the server"))
                self._below.reset()
            case Act.NOTE_CLIENT_GONE:
                self.record.closed("client")
            case Act.FALL_SILENT | Act.FALL_SILENT_AFTER_CLIENT:
                # Nothing closes, unless a fault that is in force does it in its time.
                self._wind_up("server" if act is Act.FALL_SILENT else "client", None)
                self._flows.fall_silent()
                self._below.pause_reading()

    def _end(self, by: Ender, error: Exception | None) -> None:
        """It is over for the server, whatever the wire still has to do."""
        if not self._state.over:
            self._state = State.OVER
            self._wind_up(by, error)

    def _wind_up(self, by: Ender, error: Exception | None) -> None:
        self._flows.close()
        if self._parting is not None:
            self._parting.cancel()
        self.record.closed(by)
        if self._above is not None:
            # A handler that writes for ever must come to a halt at its next drain().
            if not self._writing_paused:
                self._writing_paused = True
                self._above.pause_writing()
            self._above.gone(error)
        if self.on_over is not None:
            self.on_over()

    def let_go(self) -> None:
        """The protocol has heard of the end."""
        if self._state is State.OVER:
            self._flows.let_go()

    @property
    def reaches(self) -> bool:
        """Whether there is a connection still, over or not."""
        return not self._below.closed

    def close(self) -> None:
        """End in good order, after what was written has gone through the faults."""
        self._happens(Event.SERVER_CLOSES)

    def abort(self) -> None:
        """End now; what the kernel has not taken is lost."""
        self.stop("aborted by the server")

    def shut(self) -> None:
        """End in good order, past all faults: what `Connection.close` does."""
        if not self._state.over:
            self.record.ended("server", "closed by the test", "FIN")
            self._end("server", None)
            self._below.finish(past_faults=True)

    def stop(self, why: str) -> None:
        """End now, past all faults: the server goes down."""
        if not self._state.over:
            self.record.ended("server", why, "FIN")
            self._end("server", None)
            self._below.finish(at_once=True)

    def fail(self) -> None:
        """End with an RST once what was written has gone through the faults and out: what a broken upstream does."""
        if not self._state.over:
            self.record.ended("server", "reset by the server", "RST")
            self.reset_in_turn()

    def reset_in_turn(self) -> None:
        """End with an RST once what was written has gone through the faults and out."""
        self._happens(Event.SERVER_RESETS)

    def reset_at_once(self) -> None:
        """End with an RST now."""
        if not self._state.over:
            self._end("server", None)
            self._below.reset(at_once=True)

    # What a layer calls that stands on it, as on a wire

    def finish(self, *, at_once: bool = False, past_faults: bool = False, notify: bool = True) -> None:
        """End in good order: a FIN after what was written has gone through the faults, unless told otherwise."""
        if at_once:
            self.stop("stopped")
        elif past_faults:
            self.shut()
        else:
            self.close()

    def reset(self, *, at_once: bool = False) -> None:
        """End with an RST once what was written has gone through the faults and out, or `at_once`."""
        if at_once:
            self.reset_at_once()
        else:
            self.reset_in_turn()

    def is_closing(self) -> bool:
        """Whether `close` was called or the connection is over."""
        return self._state.closing
