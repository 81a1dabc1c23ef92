"""`Store`: what all clients of one server share; fakeredis keeps it."""

from __future__ import annotations

import dataclasses
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fakeredis import FakeServer

from pytest_netmocks import clock

VERSION = (8, 0)
"""The version of Redis whose commands these are."""


def version_text() -> str:
    """The version as Redis writes it."""
    return ".".join(map(str, (*VERSION, 0, 0)[:3]))


@dataclasses.dataclass(frozen=True)
class Own:
    """A command that is not the library's, or not as the library has it: a function of the engine and the words."""

    name: str
    function: Callable[..., Any]
    least: int = 0
    most: int | None = None
    at_once: bool = False
    """Whether it is executed even after MULTI."""


@dataclasses.dataclass(slots=True)
class Wait:
    """What a client waits for."""

    timeout: float | None
    """Seconds, `None` for ever."""
    attempt: Callable[[bool], Any]
    shape: Callable[[Any], Any] | None

    def shaped(self, result: Any) -> Any:
        """The answer for what there is, or for nothing."""
        return result if self.shape is None else self.shape(result)


class Listener(Protocol):
    """A client that hears what others say."""

    def push(self, data: bytes) -> None:
        """Have it hear something that it has not asked for."""


class Waiter(Protocol):
    """A client that waits."""

    def try_again(self) -> None:
        """See whether there is what it waits for."""


_UNPRINTABLE = re.compile(rb'[^ -~]|["\\\\]')
_SHORT = {b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t", b"\a": b"\\a", b"\b": b"\\b", b'"': b'\\"', b"\\": b"\\\\"}


def _escaped(sign: re.Match[bytes]) -> bytes:
    return _SHORT.get(sign[0]) or b"\\x%02x" % sign[0][0]


class Store:
    """Databases, scripts, channels, rights: all that the clients of one server share."""

    def __init__(
        self,
        own: Mapping[str, Own],
        users: Callable[[], Mapping[str, str]],
        cluster: Callable[[], list[tuple[str, int]]] | None,
        note: Callable[[int | None, str], None],
        writes: Callable[[str], bool],
    ) -> None:
        self.server = FakeServer(version=VERSION)
        self.server.lastsave = int(clock.wall())
        self.own = own
        self._users = users
        self._cluster = cluster
        self.since = clock.wall()
        self.run_id = f"{secrets.randbits(160):040x}"
        self.writes = writes
        """Whether a command of that name changes what is stored."""
        self.note = note
        """Puts a line on record, of a connection or of none."""
        self.read_only = False
        """Whether what would change it is refused: it is a replica."""
        self.waiting: dict[Waiter, Wait] = {}
        """Who waits, who came first first."""
        self.monitors: dict[Listener, None] = {}
        """Who hears all that is said (MONITOR)."""
        self.touched = False
        """Whether anything was changed since who waits was served."""
        self.runtime: Any = None
        """What runs scripts, once there was one."""
        self.commands = 0
        """How many were executed."""

    @property
    def users(self) -> Mapping[str, str]:
        """Who may log in, by name, with passwords."""
        return self._users()

    @property
    def cluster(self) -> list[tuple[str, int]] | None:
        """Hosts and ports of its nodes, this one first and those that are its replicas; `None` if it is no cluster."""
        return None if self._cluster is None else self._cluster()

    def touch(self) -> None:
        """Something was changed."""
        self.touched = True

    def serve(self) -> None:
        """Give those who wait what has come for them; that may be what others wait for."""
        while self.touched and self.waiting:
            self.touched = False
            for waiter in list(self.waiting):
                if waiter in self.waiting:
                    waiter.try_again()

    @property
    def clients(self) -> list[Any]:
        """Who is connected: an engine each."""
        return [client for client in self.server.sockets if client.number]

    @property
    def config(self) -> dict[bytes, bytes]:
        """What CONFIG SET has set."""
        return self.server.config

    @property
    def must_log_in(self) -> bool:
        """Whether a client has to before anything else."""
        return bool(self.users) or bool(self.server.config.get(b"requirepass"))

    def lets_in(self, user: str, password: str) -> bool:
        """Whether that user has that password. Where nobody has to log in everybody may."""
        acl = self.server.acl
        name, secret = user.encode("utf-8", "surrogateescape"), password.encode("utf-8", "surrogateescape")
        if user in self.users:
            return self.users[user] == password
        required = self.server.config.get(b"requirepass")
        if user == "default" and required:
            return required == secret
        if name != b"default" and name in acl.get_users():
            return acl.get_user_acl(name).check_password(secret)
        return not self.must_log_in

    def tell_monitors(self, db: int, address: str, words: list[bytes]) -> None:
        """Let those who hear all that is said hear this, unless there may be a password in it."""
        if words[0].upper() in (b"AUTH", b"HELLO", b"MONITOR", b"QUIT"):
            return
        said = b" ".join(b'"%b"' % _UNPRINTABLE.sub(_escaped, word) for word in words)
        line = b"+%.6f [%d %b] %b\r\n" % (clock.wall(), db, address.encode(), said)
        for monitor in self.monitors:
            monitor.push(line)

    def sizes(self) -> dict[int, tuple[int, int]]:
        """By number of a database that has any, how many keys there are, and how many of them expire."""
        found = {}
        for number, db in sorted(self.server.dbs.items()):
            db.time = clock.wall()
            if len(db):
                found[number] = (len(db), sum(db[key].expireat is not None for key in list(db)))
        return found

    def channels(self) -> tuple[int, int]:
        """How many channels are listened to, and how many patterns."""
        return len(self.server.subscribers), len(self.server.psubscribers)

    def scripts(self) -> int:
        """How many scripts are cached."""
        return len(self.server.script_cache)
