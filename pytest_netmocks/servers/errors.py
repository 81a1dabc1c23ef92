"""What users' code raised in the loop, raised again where somebody sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence


def raise_all(errors: Sequence[BaseException]) -> None:
    """Raise one error as it is, several as a group, none not at all; what would end pytest is an error like others."""
    __tracebackhide__ = True
    told = [_told(error) for error in errors]
    if len(told) == 1:
        raise told[0]
    if told:
        raise BaseExceptionGroup("handlers raised", told)


def _told(error: BaseException) -> BaseException:
    if not isinstance(error, (SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)):
        return error
    wrapped = RuntimeError(f"a handler raised {error!r}")
    wrapped.__cause__ = error
    return wrapped
