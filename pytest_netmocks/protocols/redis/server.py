"""`RedisServer`: databases that a test fills, rules over commands, RESP2 and RESP3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Unpack

try:
    from pytest_netmocks.protocols.redis import catalog, clients, cluster, commands  # noqa: F401  # they name commands
    from pytest_netmocks.protocols.redis.library import Engine
    from pytest_netmocks.protocols.redis.registry import OWN
    from pytest_netmocks.protocols.redis.store import Store
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] not in ("fakeredis", "redis", "sortedcontainers"):
        raise
    raise ImportError("a Redis server needs fakeredis: pip install 'pytest-netmocks[redis]'") from None

from pytest_netmocks import check
from pytest_netmocks.limits import By, Kind, Limit
from pytest_netmocks.link.link import Link, Top
from pytest_netmocks.protocols.redis.data import RedisData
from pytest_netmocks.protocols.redis.parts import parts
from pytest_netmocks.protocols.redis.records import RedisConnection, RedisRequest
from pytest_netmocks.protocols.redis.resp import ErrorReply, as_text
from pytest_netmocks.protocols.redis.rules import FULL, Command, RedisRule, Wanted, rule_for
from pytest_netmocks.protocols.redis.session import RedisSession
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.events import Direction
from pytest_netmocks.rules.book import Exchanges, RuleBook
from pytest_netmocks.servers.option import Option
from pytest_netmocks.servers.stream import StreamOptions, StreamServer
from pytest_netmocks.strict import Liftable

DATABASES = 16
"""How many there are (`databases` of redis.conf)."""


class FailOver(Liftable):
    """A server that is a replica until this is lifted: by `lift()` or at the end of a `with` block."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server

    def lift(self) -> None:
        """Let it take writes again; lifting twice is no error."""
        self._server.store.read_only = False


class RedisServer(StreamServer):
    """A Redis server (RESP2, RESP3) over `data`, a mapping of keys to Python values.

    With `users` (names to passwords; `"default"` is who gives a password alone) AUTH and HELLO let in only those;
    without them any credentials pass. `data` is what database 0 has at the start, and with `cluster=True` it is the one
    node of a cluster, which has all slots.
    """

    scheme = "redis"
    secure_scheme: ClassVar[str | None] = "rediss"
    lets_log_in = True
    fixed: ClassVar[Mapping[str, str]] = {"data": "assign its keys, or clear() it"}
    users = Option(check.passwords)

    def __init__(
        self,
        *,
        tls: bool = False,
        users: Mapping[str, str] | None = None,
        data: Mapping[Any, Any] | None = None,
        cluster: bool = False,
        **options: Unpack[StreamOptions],
    ) -> None:
        self._take_options(users=users)
        check.instance("data", data, (Mapping, type(None)), "a mapping of keys to values")
        self._is_cluster = check.flag("cluster", cluster)
        super().__init__(tls=tls, **options)
        for key, value in (data or {}).items():
            self.data[key] = value

    def _prepare(self) -> None:
        super()._prepare()
        self.rules: RuleBook[RedisRule] = self.book()
        """The rules over commands, oldest first."""
        self.greetings: RuleBook[RedisRule] = self.book()
        """The rules for new connections, oldest first."""
        self.limits: list[Limit] = []
        """How many connections may come in a time."""
        self._at_first: dict[tuple[int, bytes], tuple[Any, float | None]] = {}
        self._by_fixtures: dict[tuple[int, bytes], tuple[Any, float | None]] = {}
        self._nodes: list[tuple[str, int]] = []
        self._begin_store()
        self.data = self.database(0)
        """The keys and values of database 0."""

    def _begin_store(self) -> None:
        self.store = Store(
            OWN,
            lambda: self.users,
            (lambda: [(self.host, self.port), *self._nodes]) if self._is_cluster else None,
            self._note,
            catalog.writes,
        )
        """What all clients share."""
        self._house = Engine(self.store, 0, {})
        self._house.protocol = 3
        self._house.logged_in = True

    def _note(self, connection: int | None, text: str) -> None:
        self.journal.note(connection or None, text)

    def _make_exchanges(self) -> Exchanges[RedisRule]:
        """Each command is one."""
        return Exchanges(self.rules, RedisRule("every command"))

    # What a test says

    @property
    def requests(self) -> list[RedisRequest]:
        """Every command so far, oldest first."""
        return super().requests

    def database(self, number: int) -> RedisData:
        """The keys and values of the database of that number, 0 to 15. Raises `TypeError` or `ValueError`."""
        check.whole("number", number, unit="a database", minimum=0, maximum=DATABASES - 1)
        return RedisData(self._run, number, self._stored)

    def execute(self, *words: bytes | str | float) -> Any:
        """Do what a client could say, as the server itself, without a rule and a record; gives the answer.

        That is a Python value: bytes, numbers, lists, sets, mappings, `None`, and text for a status. It is about
        database 0 unless it is a SELECT. Raises `ValueError` with the text of an error.
        """
        if not words:
            raise TypeError("execute() needs a command, such as execute('SET', 'key', 'value')")
        given = [word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape") for word in words]
        return self._run([[b"SELECT", b"0"], given])

    def when(self, command: Command = None, *arguments: Wanted) -> RedisRule:
        """Begin a rule for a command (any, if none is given), and the first of its arguments.

        `when("GET", "key")`, `when("CLIENT SETNAME")`, `when("SET", re.compile("^session:"))`. An argument is bytes,
        text, a number, a compiled pattern or `None` for any. Commands in scripts are none of these. Raises `TypeError`
        or `ValueError` that names the argument.
        """
        return self.rules.add(rule_for(command, arguments, catalog.names, self._nodes))

    def when_connected(self) -> RedisRule:
        """Begin the rule for a new connection: what it replies is said at once, as Redis does when it is full."""
        return self.greetings.add(RedisRule("when_connected()", busy=FULL))

    def limit(
        self, amount: int, per: float = 1.0, *, kind: Kind = "window", by: By = "client", reply: str | None = None
    ) -> Limit:
        """Let `amount` connections through in `per` seconds; more get the error `reply` and are closed.

        Unless said, that is `ERR max number of clients reached`. Otherwise as `limit` of a rule.
        """
        limit = RedisRule("limit()", busy=FULL).limit(amount, per, kind=kind, by=by, reply=reply)
        self.limits.append(limit)
        return limit

    def fail_over(self) -> FailOver:
        """Be a replica from now on: what writes is refused (`READONLY`), connections stay, data can be read.

        So a primary is found that has failed over behind a client's back. What is given back is a context manager:
        `lift()` or the end of its block makes the server a primary again, and so does `reset()`. Rules come first, and
        `data` can be assigned all the same.
        """
        self.store.read_only = True
        return FailOver(self)

    # What is stored

    def _run(self, wanted: list[list[bytes]]) -> Any:
        if self._state == "closed":
            raise RuntimeError(f"{self.name} was closed: nothing is stored any more")
        if self._state == "new":
            return self._run_here(wanted)
        return self.run_in_loop(self._run_here, wanted)

    def _run_here(self, wanted: list[list[bytes]]) -> Any:
        house = self._house
        for words in wanted:
            house.execute(words, may_wait=False)
            if isinstance(house.answer, ErrorReply):
                raise ValueError(f"{words[0].decode('utf-8', 'replace')}: {house.answer.text}")
        return as_text(house.answer)

    def _stored(self, db: int, key: bytes, value: Any, ttl: float | None) -> None:
        """A test, a fixture or the maker has stored something, or taken it out."""
        if self._state == "new":
            kept = self._at_first
        elif self.author_now() == "a fixture":
            kept = self._by_fixtures
        else:
            return
        if value is None:
            kept.pop((db, key), None)
        else:
            kept[db, key] = value, ttl

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        self.limits.clear()
        self._nodes.clear()
        if not keep:
            self._by_fixtures.clear()
        self.run_in_loop(self._begin_store)
        for (db, key), (value, ttl) in {**self._at_first, **self._by_fixtures}.items():
            RedisData(self._run, db, lambda *_: None).set(key, value, ttl=ttl)

    # What its front and its sessions ask

    def _connection(self, number: int, address: Address) -> RedisConnection:
        return RedisConnection(number, address, self.journal.now())

    def parts(self, connection: Connection, direction: Direction, data: bytes) -> Iterable[int]:
        return parts(data)

    def _protocol(self, link: Link, connection: Connection) -> Top:
        assert isinstance(connection, RedisConnection)
        return RedisSession(self, link, connection)


class RedissServer(RedisServer):
    """A Redis server over TLS."""

    always_secure = True
