"""Hypothesis strategies: the faults and scripts that a server takes, for `@given`.

    from hypothesis import given
    from pytest_netmocks import strategies

    @given(strategies.faults(server="http"))
    def test_the_client_survives(faults):
        with pytest_netmocks.http() as server:
            for fault in faults:
                server.inject(fault)

They shrink towards fewer faults, those that strike later, and simpler ones: an end of the connection before silence,
and defaults before anything else. Needs Hypothesis, the extra `hypothesis`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

from pytest_netmocks import check, scope
from pytest_netmocks import faults as known_faults
from pytest_netmocks.faults import Fault
from pytest_netmocks.faults.base import (
    AnswerFault,
    ConnectFault,
    DatagramFault,
    EndingFault,
    FramesFault,
    HandshakeFault,
    SessionFault,
    StreamFault,
)
from pytest_netmocks.protocols import known
from pytest_netmocks.servers.datagram import DatagramServer
from pytest_netmocks.servers.stream import StreamServer

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(
        f"pytest_netmocks.strategies needs Hypothesis, which cannot be imported ({error}): "
        "pip install 'pytest-netmocks[hypothesis]'"
    ) from error

Kind = type[Fault]

MAX_BYTES = 4096
"""Bytes after which a fault strikes at the latest, unless told otherwise."""

MAX_SECONDS = 0.01
"""Seconds that a fault delays something at most, unless told otherwise."""

_ORDER = ("Close", "Reset", "Answer", "Loss", "Latency", "Corrupt", "Duplicate", "Reorder")
"""The simplest kinds, and then the others by name."""

_PLAIN = (b"busy", b"")
_CODES = ("451 try later", "421 closing", "550 no", "250 fine")
_ANSWERS: Mapping[str, tuple[Any, ...]] = {
    "HttpServer": (503, 500, 429, 404, 401, 302, 204, 200),
    "SmtpServer": ("451 4.3.0 try later", "421 4.3.2 closing", "550 5.0.0 no", "250 fine"),
    "FtpServer": _CODES,
    "Pop3Server": ("-ERR [SYS/TEMP] try later", "-ERR no", "+OK fine"),
    "WsServer": ("busy", b"busy", ""),
    "TcpServer": _PLAIN,
    "UdpServer": _PLAIN,
}
"""Some answers of each protocol, by the class of its servers, the likeliest first."""


class _Draws:
    """The strategies for one kind of server, by the kind of fault."""

    def __init__(self, server: str, max_bytes: int, max_seconds: float) -> None:
        entry = known.find(server)
        if entry is None:
            raise ValueError(f"server {server!r} is no kind of server{check.nearest(server, known.names())}")
        check.whole("max_bytes", max_bytes, unit="bytes", minimum=1)
        check.number("max_seconds", max_seconds, unit="seconds", above=0)
        self.server = server
        self._kind = entry.load()
        self._bytes = max_bytes
        self._seconds = max_seconds
        stream = self._kind if issubclass(self._kind, StreamServer) else None
        self._has_tls = stream is not None and (stream.always_secure or stream.may_upgrade or server == "ftps")
        self._in_messages = stream is not None and stream.in_messages
        bases = [base.__name__ for base in self._kind.__mro__]
        self._answers = next((_ANSWERS[name] for name in bases if name in _ANSWERS), ())

    def takes(self, kind: Kind) -> bool:
        """Whether such a server takes such a fault."""
        if kind is known_faults.Answer:
            return bool(self._answers)
        if issubclass(self._kind, DatagramServer):
            return issubclass(kind, DatagramFault)
        if issubclass(kind, (FramesFault, SessionFault)):
            return issubclass(self._kind, StreamServer) and self._kind.in_frames
        if issubclass(kind, AnswerFault):
            schemes = getattr(kind, "schemes", None)
            return bool(self._answers) and (schemes is None or self._kind.scheme in schemes)
        return issubclass(kind, StreamFault) or (issubclass(kind, HandshakeFault) and self._has_tls)

    def fault(self, kind: Kind) -> st.SearchStrategy[Fault]:
        """Faults of that kind that such a server takes."""
        made: Callable[[], st.SearchStrategy[Any]] | None = getattr(self, f"_{kind.__name__.lower()}", None)
        if made is not None:
            return cast("st.SearchStrategy[Fault]", made())
        if issubclass(kind, EndingFault):
            return self._ending(kind)
        if issubclass(kind, (ConnectFault, FramesFault, SessionFault)) or kind is known_faults.HandshakeStall:
            return st.builds(kind)
        raise ValueError(f"{kind.__name__} is a fault of your own: give st.builds({kind.__name__}, ...) yourself")

    # What arguments are

    def _late(self, maximum: int | None = None) -> st.SearchStrategy[int]:
        """Numbers that shrink towards the highest."""
        highest = self._bytes if maximum is None else maximum
        return st.integers(0, highest).map(lambda before: highest - before)

    @property
    def _delay(self) -> st.SearchStrategy[float]:
        return st.integers(1, 10).map(lambda tenths: round(self._seconds * tenths / 10, 9))

    @property
    def _direction(self) -> st.SearchStrategy[str]:
        return st.sampled_from(["downstream", "upstream", "both"])

    @property
    def _way(self) -> dict[str, st.SearchStrategy[str]]:
        """Direction and layer of what shapes."""
        layers = ["application", "tls"] if self._has_tls else ["application"]
        return {"direction": self._direction, "layer": st.sampled_from(layers)}

    # What the kinds are

    def _ending(self, kind: Kind) -> st.SearchStrategy[Fault]:
        usual = st.builds(kind, self._late())
        place, after = st.one_of(self._late(), st.none()), st.one_of(st.just(0.0), self._delay)
        others = [st.builds(kind, place, after, **self._way)]
        if self._in_messages:
            others.append(st.builds(kind, after_messages=self._late(5)))
        return st.one_of(usual, *others)

    def _latency(self) -> st.SearchStrategy[Fault]:
        distribution = st.sampled_from(["uniform", "normal", "pareto", "lognormal"])
        jitter = st.one_of(st.just(0.0), self._delay)
        return st.one_of(
            st.builds(known_faults.Latency, self._delay),
            st.builds(known_faults.Latency, self._delay, jitter, distribution, **self._way),
        )

    def _bandwidth(self) -> st.SearchStrategy[Fault]:
        least = 1000 / self._seconds
        rate = st.integers(0, 4).map(lambda power: least * 10 ** (4 - power))
        return st.builds(known_faults.Bandwidth, rate, st.booleans(), **self._way)

    def _slice(self) -> st.SearchStrategy[Fault]:
        size = self._late(self._bytes - 1).map(lambda smaller: smaller + 1)
        delay = st.sampled_from([0.0, self._seconds / 10])
        return st.builds(known_faults.Slice, size, delay, **self._way)

    def _slowclose(self) -> st.SearchStrategy[Fault]:
        return st.builds(known_faults.SlowClose, self._delay, **self._way)

    def _replace(self) -> st.SearchStrategy[Fault]:
        pattern = st.one_of(st.sampled_from([b"\r\n", b" ", b"0"]), st.binary(min_size=1, max_size=4))
        return st.builds(known_faults.Replace, pattern, st.binary(max_size=4), **self._way)

    def _corrupt(self) -> st.SearchStrategy[Fault]:
        return st.builds(known_faults.Corrupt, st.sampled_from([0.001, 0.01, 0.1, 1.0]), **self._way)

    @property
    def _chance(self) -> st.SearchStrategy[float]:
        return st.sampled_from([0.1, 0.5, 1.0])

    def _loss(self) -> st.SearchStrategy[Fault]:
        bursts = st.builds(known_faults.Loss, st.sampled_from([0.1, 0.5]), st.sampled_from([2.0, 5.0]))
        return st.one_of(st.builds(known_faults.Loss, self._chance, direction=self._direction), bursts)

    def _duplicate(self) -> st.SearchStrategy[Fault]:
        return st.builds(known_faults.Duplicate, self._chance, direction=self._direction)

    def _reorder(self) -> st.SearchStrategy[Fault]:
        return st.builds(known_faults.Reorder, self._chance, self._delay, direction=self._direction)

    def _answer(self) -> st.SearchStrategy[Fault]:
        answer = st.sampled_from(self._answers)
        late = st.builds(known_faults.Answer, answer, delay=self._delay)
        if "HttpServer" not in [base.__name__ for base in self._kind.__mro__]:
            return st.one_of(st.builds(known_faults.Answer, answer), late)
        later = st.sampled_from([503, 429])
        headers = st.sampled_from(["0", "1"]).map(lambda seconds: {"Retry-After": seconds})
        return st.one_of(
            st.builds(known_faults.Answer, answer), late, st.builds(known_faults.Answer, later, headers=headers)
        )

    def _garbage(self) -> st.SearchStrategy[Fault]:
        return st.builds(known_faults.Garbage, st.integers(1, 100))

    def _malformedchunk(self) -> st.SearchStrategy[Fault]:
        return st.builds(known_faults.MalformedChunk, self._late())

    def _goaway(self) -> st.SearchStrategy[Fault]:
        from pytest_netmocks.faults.codes import CODES

        return st.one_of(
            st.builds(known_faults.Goaway),
            st.builds(known_faults.Goaway, st.sampled_from(list(CODES)), st.sampled_from([None, 0, 1])),
        )

    def _smallwindow(self) -> st.SearchStrategy[Fault]:
        return st.builds(known_faults.SmallWindow, self._late())

    def _handshakefailure(self) -> st.SearchStrategy[Fault]:
        from pytest_netmocks.faults.alerts import ALERTS

        usual = "handshake_failure"
        alerts = [usual, *(name for name in ALERTS if name not in (usual, "close_notify", "user_canceled"))]
        return st.builds(known_faults.HandshakeFailure, st.sampled_from(alerts))


def _rank(kind: Kind) -> tuple[int, str]:
    name = kind.__name__
    return _ORDER.index(name) if name in _ORDER else len(_ORDER), name


def _chosen(
    server: str, max_bytes: int, max_seconds: float, kinds: Collection[Kind] | None, *, in_scripts: bool
) -> st.SearchStrategy[Fault]:
    draws = _Draws(server, max_bytes, max_seconds)

    def fits(kind: Kind) -> bool:
        return draws.takes(kind) and not (in_scripts and issubclass(kind, ConnectFault))

    if kinds is None:
        wanted = [kind for kind in known_faults.registry.values() if fits(kind) and _is_ours(kind)]
    else:
        wanted = list(kinds)
        if not wanted:
            raise ValueError("kinds must have at least one fault's class, such as [Reset]")
        for kind in wanted:
            if not (isinstance(kind, type) and issubclass(kind, Fault)):
                raise TypeError(f"kinds must have faults' classes, such as [Reset], not {kind!r}")
            if not fits(kind):
                where = f"a script of a server of {server}" if in_scripts else f"a server of {server}"
                raise ValueError(f"kinds has {kind.__name__}, which {where} does not take")
    return _one_of(server, max_bytes, max_seconds, tuple(sorted(wanted, key=_rank)))


@functools.lru_cache  # a test that asks for it with every example would wait for it
def _one_of(server: str, max_bytes: int, max_seconds: float, kinds: tuple[Kind, ...]) -> st.SearchStrategy[Fault]:
    draws = _Draws(server, max_bytes, max_seconds)
    return st.one_of([draws.fault(kind) for kind in kinds]).map(_by_chance)


def _by_chance(fault: Fault) -> Fault:
    """Have the test not be blamed for a fault that never strikes, or for a rule that one keeps from its turn."""
    scope.current.by_chance = True
    return fault


def _is_ours(kind: Kind) -> bool:
    return kind.__module__.startswith(known_faults.__name__)


def fault(
    kinds: Collection[Kind] | None = None,
    *,
    server: str = "http",
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> st.SearchStrategy[Fault]:
    """One fault that `inject` of such a server takes.

    `kinds` are the classes to choose from (`[Reset, Close]`), all that make sense unless given; `server` is the kind of
    server, as `netmocks` has it by name: `"http"`, `"tls"`, `"smtp"`, `"udp"`, `"tcp_proxy"`. Faults that count bytes
    strike after `max_bytes` at the latest, and what is delayed is so by `max_seconds` at most; a `Blackhole`, a `Stall`
    or an `Unreachable` lasts as long as the client waits. Raises `ValueError` or `TypeError` that names the argument.
    """
    return _chosen(server, max_bytes, max_seconds, kinds, in_scripts=False)


def faults(
    kinds: Collection[Kind] | None = None,
    *,
    server: str = "http",
    max_size: int = 3,
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> st.SearchStrategy[list[Fault]]:
    """Up to `max_size` faults to inject together, perhaps none; else as `fault`."""
    check.whole("max_size", max_size, unit="faults", minimum=1)
    return st.lists(fault(kinds, server=server, max_bytes=max_bytes, max_seconds=max_seconds), max_size=max_size)


def scripts(
    kinds: Collection[Kind] | None = None,
    *,
    server: str = "http",
    max_size: int = 4,
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> st.SearchStrategy[list[list[Fault]]]:
    """What `server.script(*script)` takes: `max_size` connections (of UDP: datagrams) at most, of two faults at most.

    `Refuse` and `Unreachable` have no place in a script; else as `fault`.
    """
    check.whole("max_size", max_size, unit="connections", minimum=1)
    one = _chosen(server, max_bytes, max_seconds, kinds, in_scripts=True)
    return st.lists(st.lists(one, max_size=2), max_size=max_size)
