"""`Injection`: a fault in force, what `inject` returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

from pytest_netmocks import scope
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.faults.base import AnswerFault, Fault
from pytest_netmocks.faults.selector import Selector
from pytest_netmocks.strict import Liftable


class Client(Protocol):
    """Whose connection, exchange or datagram it is: a `Connection`, which has an `inject` of its own."""

    @property
    def id(self) -> int:
        """The number of the connection."""


class Injection(Liftable):
    """A fault in force until it is lifted: by `lift()`, at the end of a `with` block, or after its duration.

    `hits` is how many connections, exchanges or datagrams it has struck; attaching alone is no hit.
    `Refuse` and `Unreachable`, which cannot see who comes, count one as soon as they are in force.
    """

    fixed: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("fault", "selector", "start", "duration", "place"), "lift this injection and inject another"
    )

    counts_later_answers: ClassVar[bool] = False
    """Whether of exchanges it counts, and may strike, each answer that has a decision of its own, and not the first."""

    def __init__(
        self,
        fault: Fault,
        selector: Selector,
        draws: Draws,
        place: str,
        lift: Callable[[Injection], None],
        failed: Callable[[int | None, BaseException], None],
        *,
        start: float | None = None,
        duration: float | None = None,
    ) -> None:
        self.fault = fault
        """The fault that is injected."""
        self.selector = selector
        self.start = start
        """After how many seconds it comes into force, `None` for at once."""
        self.duration = duration
        """How many seconds it is in force, `None` until it is lifted."""
        self.draws = draws
        self.place = place
        """Of what it was asked for: a server's name, a rule, a connection."""
        self.made_by = scope.current.author
        """The test, or the wider fixture, that made it."""
        self.by_a_fixture = scope.current.fixture is not None
        self.in_force = not start
        """Whether it strikes now: its time has come, and it is not lifted."""
        self.hits = 0
        self.counted = 0
        self._counted_before = 0
        self.lifted = False
        """Whether it is over."""
        self.expected = True
        """Whether a test that it never struck proves nothing; of a profile nobody expects that."""
        self.part: object = None
        """What a marker put before several servers at once: it has struck if it struck one of them."""
        self.address: tuple[object, ...] = ()
        """What addresses its draws, besides the seed and the test."""
        self.of_exchanges = isinstance(fault, AnswerFault)
        """Whether on a server it counts exchanges, and not connections."""
        self.stand_in: Any = None
        """The rule that answers where an `Answer` strikes."""
        self._tell: Callable[[Any, Fault], None]
        self._common: dict[str, object] = {}
        self._lift = lift
        self._failed = failed

    def common(self, direction: str) -> object:
        """What all that it strikes share in that direction."""
        if direction not in self._common:
            self._common[direction] = self.fault.common()
        return self._common[direction]

    def chooses(self, connection: Client | None) -> bool:
        """Count the next connection, exchange or datagram; whether it is one to strike."""
        if self.selector.where is not None and not self.is_meant(connection):
            return False
        self.counted += 1
        return self.selector.selects(self.counted, self.draws, self.drawn)

    def strikes_handshake(self) -> bool:
        """A TLS handshake begins on a connection that it has chosen: whether it strikes that."""
        return True

    def answer_with(self, rule: Any, tell: Callable[[Any, Fault], None]) -> None:
        """Let that rule answer where it strikes, and `tell` be told of it."""
        self.stand_in = rule
        self._tell = tell

    def answers(self, connection: Client) -> None:
        """It answers an exchange on that connection: put it on record."""
        self.hits += 1
        self._tell(connection, self.fault)

    def is_meant(self, connection: Client | None) -> bool:
        """Whether `where` says yes to the connection; what it raises goes on record and is a no."""
        if self.selector.where is None or connection is None:
            return True
        try:
            return bool(self.selector.where(connection))
        except BaseException as error:  # noqa: BLE001  # pytest.fail() is no Exception; the loop goes on, the test fails
            self._failed(connection.id, error)
            return False

    def chance(self) -> Draws:
        """The draws for the one that was counted last."""
        return self.draws.child(self.drawn)

    @property
    def drawn(self) -> int:
        """How many were counted since its draws began."""
        return self.counted - self._counted_before

    def redraw(self, draws: Draws) -> None:
        """Draw from these from now on, as from the first: another test begins."""
        self.draws = draws
        self._counted_before = self.counted

    def begin_again(self) -> None:
        """Count from the beginning: the server is reset."""
        self.hits = self.counted = self._counted_before = 0

    def lift(self) -> None:
        """End it; in force when this returns. Lifting twice is no error."""
        if not self.lifted:
            self._lift(self)

    @property
    def text(self) -> str:
        """The fault and which it strikes, as they are written."""
        return written(self.fault, {**self.selector.given(), "start": self.start, "duration": self.duration})

    def __repr__(self) -> str:
        state = ", lifted" if self.lifted else "" if self.in_force else ", not in force yet"
        return f"<Injection of {self.text} on {self.place}: {self.hits} hits{state}>"


def written(fault: Fault, options: Mapping[str, object]) -> str:
    """A fault and the options that are given with it, as `inject` is called."""
    given = [f"{name}={_shown(value)}" for name, value in options.items() if value is not None]
    return ", ".join([repr(fault), *given])


def _shown(value: object) -> str:
    return str(getattr(value, "__name__", value)) if callable(value) else repr(value)
