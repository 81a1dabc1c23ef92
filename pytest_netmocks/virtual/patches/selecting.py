"""select, poll, epoll and the selectors: every asyncio loop waits by one of these, and trio does."""

from __future__ import annotations

import functools
import select
import selectors
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pytest_netmocks.virtual import clock, library, onward
from pytest_netmocks.virtual.alarm import IN, OUT, URGENT, Question
from pytest_netmocks.virtual.patches import trio
from pytest_netmocks.virtual.wait import What

_select = select.select
_Real = getattr(select, "poll", None)
_Epoll: Any = getattr(select, "epoll", None)

SELECTORS = ("EpollSelector", "PollSelector", "SelectSelector", "KqueueSelector", "DevpollSelector")


def _number(one: Any) -> int:
    return one if isinstance(one, int) else int(one.fileno())


def _questions(selector: Any) -> list[Question]:
    """What a selector waits for: one descriptor of its own if it has one, else all that are registered."""
    if hasattr(selector, "fileno"):
        return [(selector.fileno(), IN)]
    keys = (selector.get_map() or {}).values()
    read, write = selectors.EVENT_READ, selectors.EVENT_WRITE
    return [(key.fd, (IN if key.events & read else 0) | (OUT if key.events & write else 0)) for key in keys]


def wait(
    running: clock.VirtualClock,
    selector: Any,
    timeout: float | None,
    what: What,
    behind: Callable[[], Iterable[int]] | None = None,
) -> None:
    """Wait by the clock until something is ready in a selector, where nothing is yet, or the time is over."""
    behind = behind or (lambda: list(selector.get_map() or ()))
    running.wait_for(_questions(selector), timeout, what, behind, asked=True)


def _of_selector(cls: Any) -> Any:
    real = cls.select

    @functools.wraps(real)
    def chosen(self: Any, timeout: float | None = None) -> Any:
        running = clock.here()
        if running is not None and (timeout is None or timeout > 0):
            events = real(self, 0)
            if events:
                return events
            onward.follow(library.running_loop())
            wait(running, self, timeout, lambda: f"{type(self).__name__}.select()")
            return real(self, 0)
        return real(self, timeout)

    return chosen


@functools.wraps(_select)
def _select_by(r: Any, w: Any, x: Any, timeout: float | None = None, /) -> Any:
    running = clock.here()
    if running is None or (timeout is not None and timeout <= 0):
        return _select(r, w, x, timeout)
    r, w, x = list(r), list(w), list(x)
    events: dict[int, int] = {}
    for group, flag in ((r, IN), (w, OUT), (x, URGENT)):
        for one in group:
            events[_number(one)] = events.get(_number(one), 0) | flag
    running.wait_for(list(events.items()), timeout, "select()")
    return _select(r, w, x, 0)


class Poll:
    """In the place of `select.poll`, whose own type is final; what it registers is known here, too."""

    def __init__(self) -> None:
        assert _Real is not None
        self._real = _Real()
        self._questions: dict[int, int] = {}

    def register(self, fd: Any, eventmask: int = IN | URGENT | OUT, /) -> None:
        """As the real one."""
        self._real.register(fd, eventmask)
        self._questions[_number(fd)] = eventmask

    def modify(self, fd: Any, eventmask: int, /) -> None:
        """As the real one."""
        self._real.modify(fd, eventmask)
        self._questions[_number(fd)] = eventmask

    def unregister(self, fd: Any, /) -> None:
        """As the real one."""
        self._real.unregister(fd)
        self._questions.pop(_number(fd), None)

    def poll(self, timeout: float | None = None, /) -> Any:
        """As the real one; `timeout` in milliseconds."""
        running = clock.here()
        if running is None or timeout == 0:
            return self._real.poll(timeout)
        seconds = None if timeout is None or timeout < 0 else timeout / 1000
        running.wait_for(list(self._questions.items()), seconds, "poll()")
        return self._real.poll(0)


class Epoll:
    """In the place of `select.epoll`, whose type is final, too: trio uses it by itself."""

    def __init__(self, sizehint: int = -1, flags: int = 0) -> None:
        self._real = _Epoll(sizehint, flags)
        self._numbers: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __enter__(self) -> Epoll:
        self._real.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._real.close()

    def register(self, fd: Any, *eventmask: int) -> None:
        """As the real one."""
        self._real.register(fd, *eventmask)
        self._numbers.add(_number(fd))

    def unregister(self, fd: Any) -> None:
        """As the real one."""
        self._numbers.discard(_number(fd))
        self._real.unregister(fd)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> Any:
        """As the real one; `timeout` in seconds."""
        running = clock.here()
        if running is None or timeout == 0:
            return self._real.poll(timeout, maxevents)
        events = self._real.poll(0, maxevents)
        if events:
            return events
        what, seconds = "epoll.poll()", None if timeout is None or timeout < 0 else timeout
        if _is_trios(library.frame_at(1)):
            what, seconds = f"trio's {what}", trio.deadline_of(seconds)
        running.wait_for([(self._real.fileno(), IN)], seconds, what, lambda: list(self._numbers), asked=True)
        return self._real.poll(0, maxevents)


def _is_trios(frame: Any) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("trio.")


def patches() -> Iterator[tuple[object, str, object]]:
    """Classes for every loop there is, whoever made it and when; functions in their module."""
    for name in SELECTORS:
        cls = getattr(selectors, name, None)
        if cls is not None:
            yield cls, "select", _of_selector(cls)
    yield select, "select", _select_by
    if _Real is not None:
        yield select, "poll", Poll
    if _Epoll is not None:
        yield select, "epoll", Epoll
