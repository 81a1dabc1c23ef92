"""The ends of a link: the states that its server sees, and the table of what leads from one to another.

    OPEN --client finishes--> CLIENT_DONE --server finishes--> DONE_FIN_HELD --FIN is through--> DONE_FIN_SENT
      |                                                                                                |
      +--server finishes--> FIN_HELD --FIN is through--> FIN_SENT --client finishes-->-----------------+
                                |                           |                                          |
                       server closes               server closes                              server closes
                                v                           v                                          |
                             CLOSING --FIN is through--> LEAVING <-------------------------------------+
                                                            |
                                                the FIN leaves the wire
                                                            v
                                                          OVER

What is not in `TABLE` changes nothing: no end is told, sent or put on record twice. From everywhere `OVER` can be
reached by itself (the wire is lost, the server stops, a fault cuts), and nothing leads out of it. The link owns one
state, tells it what happens and does what the table says; here nothing is done.

Example: a client that has finished, and a server with `Latency(0.3)` that closes: `CLIENT_DONE`, at once `CLOSING`, and
`LEAVING` 0.3 s later; a second `close()` in between finds no row.
"""

from __future__ import annotations

import enum
from typing import TypeVar

E = TypeVar("E", bound=enum.Enum)


def _by_identity(kind: type[E]) -> type[E]:
    """Let members be looked up as what they are: an enum's own hash is a call into Python for each look."""
    kind.__hash__ = object.__hash__  # type: ignore[method-assign]  # members are compared by identity already
    return kind


@_by_identity
class Event(enum.Enum):
    """What happens to the ends of a connection."""

    CLIENT_FINISHES = "the client's FIN reaches the server"
    CLIENT_END_LOST = "a fault swallows the client's FIN"
    SERVER_FINISHES = "the server writes no more"
    SERVER_CLOSES = "the server is done with the connection"
    SERVER_RESETS = "the server breaks it off, behind what was written"
    FIN_THROUGH = "the server's FIN has come through the faults"
    RST_THROUGH = "the server's RST has come through the faults"
    SERVER_END_LOST = "a fault swallows the server's FIN or RST"
    ALL_LOST = "a fault swallows an end, and everything either way"


@_by_identity
class Act(enum.Enum):
    """What the link does about it."""

    NOTHING = "nothing yet"
    TELL_FINISHED = "tell what stands above that the client has finished"
    NOTE_CLIENT_GONE = "put on record that for the client it is over"
    SEND_FIN = "put the FIN on record and send it through the faults"
    SEND_RST = "send the RST through the faults"
    HALF_CLOSE = "let the layer below send the FIN, and go on receiving"
    FINISH = "let the layer below send the FIN, and throw away what still comes"
    RESET = "say that it is over, and let the layer below send the RST"
    FALL_SILENT_AFTER_CLIENT = "say that the client has ended it, and close nothing"
    FALL_SILENT = "say that the server has ended it, and close nothing"


@_by_identity
class State(enum.Enum):
    """How far a connection's ends are, for its server."""

    OPEN = "both directions are open", True, True
    CLIENT_DONE = "the client has finished", False, True
    FIN_HELD = "the server has finished, its FIN is among the faults", True, False
    FIN_SENT = "the server has finished, its FIN has gone on", True, False
    FIN_LOST = "the server has finished, its FIN was swallowed", True, False
    DONE_FIN_HELD = "both have finished, the server's FIN is among the faults", False, False
    DONE_FIN_SENT = "both have finished, the server's FIN has gone on", False, False
    CLOSING = "the server has closed, its FIN is among the faults", False, False, True
    LEAVING = "the server has closed, its FIN has gone on", False, False, True
    RESETTING = "the server has broken it off, its RST is among the faults", False, False, True
    OVER = "it has ended", False, False, True, True

    def __init__(self, says: str, reads: bool, writes: bool, closing: bool = False, over: bool = False) -> None:
        self.says = says
        self.reads = reads
        """Whether what comes is handed up."""
        self.writes = writes
        """Whether what is written is sent."""
        self.closing = closing
        """Whether the server is done with it."""
        self.over = over
        """Whether nothing of it is left, for the server."""
        self.after: dict[Event, tuple[State, Act]] = {}
        """What leads from here whereto, and what is to be done."""

    @property
    def client_is_done(self) -> bool:
        """Whether the server has seen the client's end, and has not ended it itself."""
        return not self.reads and not self.closing


Table = dict[State, dict[Event, tuple[State, Act]]]


def _table() -> Table:
    state, event, act = State, Event, Act
    silent = state.OVER, act.FALL_SILENT_AFTER_CLIENT
    reset = state.RESETTING, act.SEND_RST
    close = state.CLOSING, act.SEND_FIN
    return {
        state.OPEN: {
            event.CLIENT_FINISHES: (state.CLIENT_DONE, act.TELL_FINISHED),
            event.CLIENT_END_LOST: (state.CLIENT_DONE, act.NOTE_CLIENT_GONE),
            event.SERVER_FINISHES: (state.FIN_HELD, act.SEND_FIN),
            event.SERVER_CLOSES: close,
            event.SERVER_RESETS: reset,
            event.ALL_LOST: silent,
        },
        state.CLIENT_DONE: {
            event.SERVER_FINISHES: (state.DONE_FIN_HELD, act.SEND_FIN),
            event.SERVER_CLOSES: close,
            event.SERVER_RESETS: reset,
            event.ALL_LOST: silent,
        },
        state.FIN_HELD: {
            event.CLIENT_FINISHES: (state.DONE_FIN_HELD, act.TELL_FINISHED),
            event.CLIENT_END_LOST: (state.DONE_FIN_HELD, act.NOTE_CLIENT_GONE),
            event.SERVER_CLOSES: (state.CLOSING, act.NOTHING),
            event.SERVER_RESETS: reset,
            event.FIN_THROUGH: (state.FIN_SENT, act.HALF_CLOSE),
            event.SERVER_END_LOST: (state.FIN_LOST, act.NOTHING),
            event.ALL_LOST: silent,
        },
        state.FIN_SENT: {
            event.CLIENT_FINISHES: (state.DONE_FIN_SENT, act.TELL_FINISHED),
            event.CLIENT_END_LOST: (state.DONE_FIN_SENT, act.NOTE_CLIENT_GONE),
            event.SERVER_CLOSES: (state.LEAVING, act.FINISH),
            event.SERVER_RESETS: reset,
            event.ALL_LOST: silent,
        },
        state.FIN_LOST: {
            event.CLIENT_FINISHES: silent,
            event.CLIENT_END_LOST: silent,
            event.SERVER_CLOSES: (state.OVER, act.FALL_SILENT),
            event.SERVER_RESETS: reset,
            event.ALL_LOST: silent,
        },
        state.DONE_FIN_HELD: {
            event.SERVER_CLOSES: (state.CLOSING, act.NOTHING),
            event.SERVER_RESETS: reset,
            event.FIN_THROUGH: (state.DONE_FIN_SENT, act.HALF_CLOSE),
            event.SERVER_END_LOST: silent,
            event.ALL_LOST: silent,
        },
        state.DONE_FIN_SENT: {
            event.SERVER_CLOSES: (state.LEAVING, act.FINISH),
            event.SERVER_RESETS: reset,
            event.ALL_LOST: silent,
        },
        state.CLOSING: {
            event.CLIENT_END_LOST: (state.CLOSING, act.NOTE_CLIENT_GONE),
            event.SERVER_RESETS: reset,
            event.FIN_THROUGH: (state.LEAVING, act.FINISH),
            event.SERVER_END_LOST: silent,
            event.ALL_LOST: silent,
        },
        state.LEAVING: {
            event.CLIENT_END_LOST: (state.LEAVING, act.NOTE_CLIENT_GONE),
            event.SERVER_RESETS: reset,
            event.ALL_LOST: silent,
        },
        state.RESETTING: {
            event.CLIENT_END_LOST: (state.RESETTING, act.NOTE_CLIENT_GONE),
            event.FIN_THROUGH: (state.RESETTING, act.HALF_CLOSE),  # the RST is behind it
            event.RST_THROUGH: (state.OVER, act.RESET),
            event.SERVER_END_LOST: silent,
            event.ALL_LOST: silent,
        },
        state.OVER: {},
    }


TABLE = _table()
for _state, _row in TABLE.items():
    _state.after = _row
