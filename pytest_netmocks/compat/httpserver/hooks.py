"""What changes or delays an answer, for `with_post_hook`, in pytest-httpserver's words."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_netmocks import clock

if TYPE_CHECKING:
    from werkzeug import Request, Response


class Chain:
    """Several hooks, one after another; each gets what the one before gives."""

    def __init__(self, *args: Callable[[Request, Response], Response]) -> None:
        self._hooks = args

    def __call__(self, request: Request, response: Response) -> Response:
        """What the last one gives."""
        for hook in self._hooks:
            response = hook(request, response)
        return response


class Delay:
    """Gives the answer that many seconds later; `Latency` and `reply(delay=)` are the ways that hold up no thread."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def _sleep(self) -> None:
        clock.block(self._seconds)

    def __call__(self, _request: Request, response: Response) -> Response:
        """The answer as it is, later."""
        self._sleep()
        return response


class Garbage:
    """Puts so many random bytes before the body and behind it. Raises `AssertionError` for less than none."""

    def __init__(self, prefix_size: int = 0, suffix_size: int = 0) -> None:
        for name, size in (("prefix_size", prefix_size), ("suffix_size", suffix_size)):
            if size < 0:
                raise AssertionError(f"{name} should be positive integer, not {size!r}")
        self._prefix_size = prefix_size
        self._suffix_size = suffix_size

    def __call__(self, _request: Request, response: Response) -> Response:
        """The answer with other bytes around its body, new ones each time."""
        response.set_data(os.urandom(self._prefix_size) + response.get_data() + os.urandom(self._suffix_size))
        return response
