"""`NOBODY`: who is there when all is over: what has ended knows it in place of its neighbours, and is in no circle."""

from __future__ import annotations

import asyncio
from typing import Any, Final


class Nobody:
    """Every layer, above and below, and who acts on what flows decide: every call is allowed and does nothing."""

    over = closed = True
    reaches = unread = deserted = False
    socket = None
    buffered = 0
    protocol = asyncio.Protocol()

    def nothing(self, *arguments: Any, **options: Any) -> None:
        """It is over."""

    # Above
    connected = data_received = peer_finished = end_of_stream = peer_hung_up = ending = end_sent = nothing
    wire_lost = gone = pause_writing = resume_writing = in_pieces = nothing
    # Below
    carry = resume_reading = pause_reading = write = keep_apart = hold_for_the_end = nothing
    write_eof = finish = reset = nothing
    # Flows
    deliver = strike = end_swallowed = keep_pieces = held = swallowed = balance = nothing


NOBODY: Final = Nobody()
