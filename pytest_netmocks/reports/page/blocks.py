"""`Blocks`: the recordings in the page, many that are short compressed as one, which is quicker and far smaller."""

from __future__ import annotations

from pytest_netmocks.reports.recording import packed

SIZE = 128 * 1024
"""Characters in a block, if no single recording has more: who opens one of its recordings unpacks them all."""


class Blocks:
    """Takes the texts of recordings, in their order, and makes elements of HTML."""

    def __init__(self) -> None:
        self.firsts: list[int] = []
        """The number of the first recording of each block: that of the whole block."""
        self._count = 0
        self._texts: list[str] = []
        self._size = 0

    def add(self, text: str) -> str:
        """One more recording; what was complete before it, if anything was."""
        made = self.rest() if self._size + len(text) > SIZE else ""
        if not self._texts:
            self.firsts.append(self._count)
        self._texts.append(text)
        self._size += len(text)
        self._count += 1
        return made if self._size <= SIZE else made + self.rest()

    def rest(self) -> str:
        """What waits for more."""
        if not self._texts:
            return ""
        text = packed("\n".join(self._texts))
        self._texts, self._size = [], 0
        return f'<script type="application/x-netmocks" id="r{self.firsts[-1]}">{text}</script>\n'
