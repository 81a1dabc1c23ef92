"""`ImapRule`: a rule over commands, whose answers may have untagged lines."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, Self

from pytest_netmocks import check
from pytest_netmocks.protocols.imap.records import ImapRequest
from pytest_netmocks.rules.commands import CommandAnswer, CommandRule, Reply


@dataclasses.dataclass(slots=True)
class ImapAnswer(CommandAnswer[ImapRequest]):
    """One answer, and the lines before it."""

    untagged: tuple[str, ...] = ()

    @property
    def lines(self) -> list[bytes]:
        """Those lines as they go out."""
        return [f"* {line}".encode("utf-8", "surrogateescape") for line in self.untagged]


class ImapRule(CommandRule[ImapRequest]):
    """What `when` of an IMAP server begins."""

    def reply(
        self,
        reply: Reply[ImapRequest] | None = None,
        *,
        untagged: Sequence[str] = (),
        raw: bytes | None = None,
        execute: bool = False,
        times: int | None = None,
        delay: float = 0.0,
        then_close: bool = False,
        **unknown: Any,
    ) -> Self:
        r"""Answer with what stands behind the tag, `"NO [UNAVAILABLE] try again"`, and `untagged` lines before it.

        A refusal (NO, BAD) is given instead of executing the command, OK instead of its usual last line after executing
        it, the usual untagged lines in between. `untagged` lines without a reply go out first, at once, and then the
        usual answer: `reply(untagged=["5 EXISTS"])` to IDLE wakes the client. A function or coroutine function of the
        request may stand for the text; `raw` bytes go out as they are instead of executing it, or with `execute`
        instead of its usual answer. Otherwise as `reply` of SMTP. Raises `TypeError` or `ValueError` that names the
        argument.
        """
        for name in unknown:
            raise TypeError(f"reply() takes no {name!r}{check.nearest(name, ['untagged', 'raw', 'execute', 'times'])}")
        if isinstance(untagged, str) or not all(isinstance(line, str) for line in untagged):
            raise TypeError(f"untagged must be a list of lines such as ['5 EXISTS'], not {untagged!r}")
        for line in untagged:
            if re.search(r"[\r\n\0]", line) or not line:
                raise ValueError(f"untagged must have lines without their ends and their stars, not {line!r}")
        if reply is not None and raw is not None:
            raise TypeError("reply() needs a reply, raw= or untagged=, and of the first two not both")
        if reply is None and raw is None and not untagged:
            raise TypeError('reply() needs a reply such as "NO [UNAVAILABLE] try again", untagged= lines or raw= bytes')
        if reply is not None and not callable(reply):
            self._dialect.check(reply)
        check.instance("raw", raw, (bytes, type(None)), "bytes")
        check.instance("execute", execute, bool, "True or False")
        check.number("delay", delay, unit="seconds", minimum=0)
        answer = ImapAnswer(self._dialect, reply, raw, delay, None, execute, tuple(untagged))
        return self._add(answer, times, then_close=then_close)
