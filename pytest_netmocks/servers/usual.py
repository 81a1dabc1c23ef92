"""`usual`: what a server would answer to a command, for the function of a rule that answers in its place."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any, Protocol


@dataclasses.dataclass(slots=True)
class Answerable:
    """A command on record whose usual answer can be asked for."""

    _ask: Callable[[], str] | None = dataclasses.field(default=None, repr=False, compare=False, kw_only=True)
    _usual: str = dataclasses.field(default="", repr=False, compare=False, kw_only=True)

    def offer(self, ask: Callable[[], str] | None) -> None:
        """Have it ask there, or nowhere."""
        self._ask = ask

    @property
    def usual(self) -> str:
        r"""What the server answers without the rule: its lines, separated by `"\n"` and with their codes.

        A reply function that asks for it has the command executed, then and there, and its reply goes out in place of
        this one, whatever its code; one that does not ask decides by its code whether the command is executed. For a
        transfer of FTP or DATA this is the preliminary answer (150, 354): a reply that is no such answer ends the
        transfer before it begins. Without a function that asked it is `""`.
        """
        ask, self._ask = self._ask, None
        if ask is not None:
            self._usual = ask()
        return self._usual


class Offered(Protocol):
    """A command on record whose usual answer can be asked for, whatever that is."""

    def offer(self, ask: Callable[[], Any] | None) -> None:
        """Have it ask there, or nowhere."""


@contextlib.contextmanager
def offered(
    request: Offered, execute: Callable[[], Any], in_loop: Callable[[Callable[[], Any]], Any]
) -> Iterator[None]:
    """Let a function ask for the usual answer, in whatever thread it runs, as long as its own is awaited.

    `execute` has the command executed and gives that answer; `in_loop` calls it in the servers' loop.
    """
    awaited = True

    def ask() -> Any:
        return execute() if awaited else ""  # the client may have left meanwhile

    request.offer(lambda: in_loop(ask))
    try:
        yield
    finally:
        awaited = False
        request.offer(None)


class Ahead:
    """A coroutine that is run as far as it comes at once, and awaited later for the rest."""

    def __init__(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._coroutine = coroutine
        self._waits_for: Any = None
        self._is_over = False
        self._step(coroutine.send, None)

    def _step(self, how: Callable[[Any], Any], what: Any) -> None:
        try:
            self._waits_for = how(what)
        except StopIteration:
            self._is_over = True

    def __await__(self) -> Generator[Any, Any, None]:
        while not self._is_over:
            try:
                given = yield self._waits_for
            except BaseException as error:  # noqa: BLE001  # it is the coroutine's to deal with
                self._step(self._coroutine.throw, error)
            else:
                self._step(self._coroutine.send, given)

    def close(self) -> None:
        """It is not to go on."""
        self._is_over = True
        self._coroutine.close()


def shown(answer: bytes, encoding: str = "utf-8", errors: str = "surrogateescape") -> str:
    """An answer as `usual` has it."""
    return answer.decode(encoding, errors).rstrip("\r\n").replace("\r\n", "\n")
