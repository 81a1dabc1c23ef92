"""`Reading`: what keeps a protocol from reading its client just now."""

from __future__ import annotations

from pytest_netmocks.link.link import Link

SLOW = "the client is slow"
"""The client does not take what is written: it shall not make us write more."""


class Reading:
    """The reasons not to read a link; it is read as long as there is none."""

    __slots__ = ("_link", "_reasons")

    def __init__(self, link: Link) -> None:
        self._link = link
        self._reasons: set[str] = set()

    def __contains__(self, reason: str) -> bool:
        return reason in self._reasons

    def hold(self, reason: str, *, hold: bool = True) -> None:
        """Read nothing for this reason, or no longer for this one."""
        if not hold:
            self.go_on(reason)
        elif reason not in self._reasons:
            self._reasons.add(reason)
            self._link.pause_reading()

    def go_on(self, reason: str) -> None:
        """The reason has gone: read on if it was the last."""
        if reason in self._reasons:
            self._reasons.discard(reason)
            if not self._reasons:
                self._link.resume_reading()

    def go_on_whatever(self) -> None:
        """Forget all reasons and read on."""
        for reason in list(self._reasons):
            self.go_on(reason)

    def hand_over(self, data: bytes) -> None:
        """Give what was taken too early, and all that follows, to the protocol that the link has now."""
        self._reasons.clear()
        self._link.push_back(data)
