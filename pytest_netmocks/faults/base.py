"""What a fault is: a frozen value that says what shall happen. It opens the state machine that decides; the link acts.

The families stand here, one for each way in which a fault takes part: a `ShapingFault` changes when and how bytes
arrive, an `EndingFault` stops the flow at a place or a time, a `ConnectFault` keeps clients from connecting, a
`DatagramFault` decides over single datagrams, a `HandshakeFault` over a TLS handshake, an `AnswerFault` over what is
answered, a `SessionFault` over what a connection of HTTP/2 says of itself. Knows nothing of sockets, clocks or servers.
"""

from __future__ import annotations

import dataclasses
import typing
from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Literal, cast

from pytest_netmocks import check
from pytest_netmocks.engine.draws import Draws
from pytest_netmocks.engine.gate import Action, Gate
from pytest_netmocks.engine.shaper import Shaper
from pytest_netmocks.engine.stages import DatagramStage

Direction = Literal["upstream", "downstream", "both"]
Layer = Literal["application", "tls"]


class Unsaid(str):
    """A default that is equal to the word that it stands for, so that a sweep can tell that nobody wrote it."""

    __slots__ = ()


UNSAID_DOWN = cast("Direction", Unsaid("downstream"))
UNSAID_BOTH = cast("Direction", Unsaid("both"))


PLACED: Mapping[str, object] = MappingProxyType({"placed": True})
"""Metadata of an argument that a sweep's places stand for, so that there it may be left out."""


class Fault:
    """Base of all faults. Subclasses are frozen dataclasses: they compare, hash and have a readable `repr`."""

    if not typing.TYPE_CHECKING:  # editors are to show the arguments of `__init__`

        def __new__(cls, *given: object, **named: object) -> Fault:
            """Refuse a test for an argument: a marker with a class for its argument marks that, and calls it."""
            if "pytestmark" in cls.__dict__:
                mark = cls.pytestmark[-1].name
                del cls.pytestmark
                raise TypeError(f"the marker {mark} has the class {cls.__name__}{instead_of(cls)}")
            if not named.keys() <= cls.__dict__.get("__dataclass_fields__", named).keys():
                _refuse_unknown(cls, named)
            return super().__new__(cls)

    def __repr__(self) -> str:
        parts = []
        fields = dataclasses.fields(self)  # type: ignore[arg-type]  # every concrete fault is a dataclass
        for field in sorted(fields, key=lambda field: bool(field.kw_only)):
            value = getattr(self, field.name)
            if field.default is dataclasses.MISSING or ("placed" in field.metadata and value is not None):
                parts.append(repr(value))
            elif value != field.default:
                parts.append(f"{field.name}={value!r}")
        return f"{self.name}({', '.join(parts)})"

    @property
    def name(self) -> str:
        """The fault's name, which is its class's: `"Reset"`."""
        return type(self).__name__

    @property
    def unsaid(self) -> str | None:
        """The argument that was left out and only a sweep can do without."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]  # every concrete fault is a dataclass
        placed = [field.name for field in fields if "placed" in field.metadata]
        return next((name for name in placed if getattr(self, name) is None), None)

    def common(self) -> object:
        """What all connections or clients of one injection share in one direction, `None` for nothing."""
        return None

    @property
    def id(self) -> str:
        """What pytest shows for a test with this fault: the `repr`."""
        return repr(self)


def check_fault(value: object) -> None:
    """Refuse what is no fault."""
    if not isinstance(value, Fault):
        raise TypeError(f"fault must be a fault such as Latency(0.1), not {value!r}{instead_of(value)}")


def check_said(fault: Fault) -> None:
    """Refuse a fault that lacks what only the places of a sweep can say."""
    name = fault.unsaid
    if name is not None:
        raise ValueError(
            f"{fault!r} needs {name}=, such as {fault.name}(0.1): only in a sweep, where its places choose, "
            "may it be left out"
        )


def _refuse_unknown(kind: type[Fault], named: Mapping[str, object]) -> None:
    """Refuse arguments that the class does not take. Raises `TypeError` that names the first of them."""
    import inspect  # only for what is nearly always wrong

    _, *taken = inspect.signature(kind.__init__).parameters.values()
    if not any(argument.kind is argument.VAR_KEYWORD for argument in taken):
        known = [argument.name for argument in taken]
        for word in (word for word in named if word not in known):
            raise TypeError(f"{kind.__name__} takes no {word!r}{check.nearest(word, known)}")


def instead_of(value: object) -> str:
    """What to write instead of something that is nearly a fault: its class, or the `Injection` that has it."""
    if isinstance(value, type) and issubclass(value, Fault) and dataclasses.is_dataclass(value):
        needed = [
            field.name
            for field in dataclasses.fields(value)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ]
        return f": write {value.__name__}({', '.join(needed)})"
    fault = getattr(value, "fault", None)
    return f": write {fault!r}, the fault that is in force there" if isinstance(fault, Fault) else ""


@dataclasses.dataclass(frozen=True, repr=False)
class DirectedFault(Fault):
    """Base of the faults of a flow: `"downstream"` (server to client), `"upstream"` (client to server) or `"both"`."""

    _: dataclasses.KW_ONLY
    direction: Direction = UNSAID_DOWN

    def __post_init__(self) -> None:
        check.one_of(f"{self.name}: direction", self.direction, typing.get_args(Direction))


@dataclasses.dataclass(frozen=True, repr=False)
class StreamFault(DirectedFault):
    """Base of the faults that a byte stream can have.

    `layer` is whose bytes they are: `"application"`, or `"tls"` for the cipher text below it.
    """

    _: dataclasses.KW_ONLY
    layer: Layer = "application"

    def __post_init__(self) -> None:
        super().__post_init__()
        check.one_of(f"{self.name}: layer", self.layer, typing.get_args(Layer))


@dataclasses.dataclass(frozen=True, repr=False)
class ShapingFault(StreamFault):
    """Base of the faults that change when and how bytes arrive, never which connection ends."""

    for_an_answer: ClassVar[bool] = True
    """Whether on a rule it lasts for the answer; otherwise for the rest of the connection."""

    @abstractmethod
    def shaper(self, draws: Draws) -> Shaper:
        """The state machine for one direction of one connection."""


@dataclasses.dataclass(frozen=True, repr=False)
class EndingFault(StreamFault):
    """Base of the faults that let a number of bytes or seconds pass and then stop the flow.

    With `after_bytes` exactly that many bytes are delivered, then nothing, and when `after` seconds have passed too,
    the fault strikes. With `after` alone everything flows until then. `after_messages` counts whole messages instead of
    bytes: the WebSocket messages of an answer or, from a server, of the connection; the chunks of an HTTP body or
    server-sent events of one answer.
    """

    after_bytes: int | None = None
    after: float = 0.0
    _: dataclasses.KW_ONLY
    after_messages: int | None = None

    action: ClassVar[Action]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.after_bytes is not None:
            check.whole(f"{self.name}: after_bytes", self.after_bytes, unit="bytes", minimum=0)
        check.number(f"{self.name}: after", self.after, unit="seconds", minimum=0)
        if self.after_messages is not None:
            check.whole(f"{self.name}: after_messages", self.after_messages, unit="messages", minimum=0)
            if self.after_bytes is not None:
                raise ValueError(f"{self.name}: only one of after_bytes and after_messages may be given")

    def gate(self, now: float) -> Gate:
        """The state machine for one connection, shared by its directions."""
        return Gate(self.action, now + self.after)


def counts_messages(fault: Fault) -> bool:
    """Whether it stands behind a number of messages."""
    return isinstance(fault, EndingFault) and fault.after_messages is not None


@dataclasses.dataclass(frozen=True, repr=False)
class ConnectFault(StreamFault):
    """Base of the faults that happen in the kernel, before there is a connection: the listener's state decides them.

    They have no bytes, so `direction` and `layer` make no difference.
    """

    listener: ClassVar[Literal["refusing", "unreachable"]]


@dataclasses.dataclass(frozen=True, repr=False)
class DatagramFault(DirectedFault):
    """Base of the faults that a datagram can have."""

    @abstractmethod
    def datagrams(self, draws: Draws) -> DatagramStage:
        """The state machine for one direction of one client's datagrams."""


class HandshakeFault(Fault):
    """Base of the faults of a TLS handshake: they strike when the ClientHello has come."""

    @property
    @abstractmethod
    def answer(self) -> bytes | None:
        """What is sent in answer, before the end of the connection; `None` for no answer and no end."""


class AnswerFault(Fault):
    """Base of the faults of one answer of a protocol: on a rule they strike its exchanges, on a server all of them."""

    schemes: ClassVar[frozenset[str] | None] = None
    """The schemes of the servers whose answers it can strike, `None` for any."""


class FramesFault(AnswerFault):
    """Base of those that only frames of HTTP/2 can say, in place of an answer; exchanges of HTTP/1 they pass by."""


class SessionFault(Fault):
    """Base of the faults of a connection of HTTP/2 as a whole: of its SETTINGS and PING, not of its streams."""


class SpoilingFault(AnswerFault):
    """Base of those that spoil the answer that was due, and end the connection."""

    @abstractmethod
    def instead(self, head: bytes, body: bytes, draws: Draws) -> bytes:
        """The bytes that go out instead of the answer's head and body, before the end of the connection."""
