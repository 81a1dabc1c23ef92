"""Waiting until what is expected has come, in pytest-httpserver's words."""

from __future__ import annotations

import threading

from pytest_netmocks import clock


class WaitingSettings:
    """What `wait` does unless told otherwise.

    `raise_assertions`: fail after `timeout` seconds, and where a request came that nothing expects;
    `stop_on_nohandler`: wait no longer once such a request has come.
    """

    def __init__(self, raise_assertions: bool = True, stop_on_nohandler: bool = True, timeout: float = 5) -> None:
        self.raise_assertions = raise_assertions
        self.stop_on_nohandler = stop_on_nohandler
        self.timeout = timeout


class Waiting:
    """What `wait` gives: what came of it, and how long it took."""

    def __init__(self) -> None:
        self._began = clock.now()
        self._ended: float | None = None
        self._result = False

    def complete(self, result: bool) -> None:
        """It is over."""
        self._result = result
        self._ended = clock.now()

    @property
    def result(self) -> bool:
        """Whether everything came that was to come once, and nothing else where that ends it."""
        return self._result

    @property
    def elapsed_time(self) -> float:
        """Seconds from the beginning to the end. Raises `TypeError` before that."""
        if self._ended is None:
            raise TypeError("elapsed_time is known when the waiting is over")
        return self._ended - self._began


class Outcome:
    """The first that is said since it was cleared; threads wait for it."""

    def __init__(self) -> None:
        self._said = threading.Event()
        self._value = False

    def say(self, value: bool) -> None:
        """Say it, unless something was said."""
        if not self._said.is_set():
            self._value = value
            self._said.set()

    def clear(self) -> None:
        """As if nothing was said."""
        self._said.clear()

    def wait(self, timeout: float) -> bool | None:
        """What was said, `None` after so many seconds; then it is as if nothing was."""
        value = self._value if self._said.wait(timeout) else None
        self._said.clear()
        return value
