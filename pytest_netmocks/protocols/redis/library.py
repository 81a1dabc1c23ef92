"""What is taken of fakeredis: all of its private names are here.

Its `FakeSocket` is one client of its `FakeServer`: it has commands, transactions, scripts, subscriptions, rights. Here
it is fed whole commands and gives encoded answers; it waits in nobody's thread (`_blocking`), and the time is the
servers' (`times`).

    execute(words) -> bytes            the answer, with what the command itself has published to its client
                   -> None             it waits (BLPOP, XREAD BLOCK): `on_answer` has the answer when it is there

Clients that wait are served in the order in which they came, behind the command that brought what they wait for.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

from fakeredis import FakeServer
from fakeredis import _msgs as texts
from fakeredis._commands import SUPPORTED_COMMANDS, Signature
from fakeredis._helpers import QUEUED, NoResponse, SimpleError, SimpleString, compile_pattern
from fakeredis._socket import FakeSocket
from fakeredis._socket._resp import convert_to_resp2, extract_command

from pytest_netmocks import clock
from pytest_netmocks.protocols.redis import resp, shapes
from pytest_netmocks.protocols.redis.resp import ErrorReply, Status
from pytest_netmocks.protocols.redis.scripts import Timed
from pytest_netmocks.protocols.redis.shapes import STRANGERS_MAY
from pytest_netmocks.protocols.redis.store import VERSION, Own, Store, Wait
from pytest_netmocks.protocols.redis.times import route, serving
from pytest_netmocks.servers.tasks import nothing

route()

Refusal = SimpleError
"""What a command raises that is refused; its text is the answer."""

COMMANDS = frozenset(SUPPORTED_COMMANDS)
"""The names of the library's commands, in small letters."""


def _status(value: SimpleString, protocol: int, out: list[bytes], depth: int) -> None:
    out.append(b"+%b\r\n" % value.value)


def _error(value: SimpleError, protocol: int, out: list[bytes], depth: int) -> None:
    out.append(b"-%b\r\n" % resp.one_line(_coded(value.value)))


def _coded(text: str) -> str:
    return text if re.match(r"[A-Z]+ ", text) else f"ERR {text}"


resp.FORMS[SimpleString] = _status
resp.FORMS[SimpleError] = _error


def plain(value: Any) -> Any:
    """An answer without the library's types."""
    if isinstance(value, SimpleString):
        return Status(value.value.decode("utf-8", "surrogateescape"))
    if isinstance(value, SimpleError):
        return ErrorReply(_coded(value.value))
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {plain(name): plain(one) for name, one in value.items()}
    return value.encode() if type(value) is str else value


def glob(pattern: bytes) -> re.Pattern[bytes]:
    """A pattern of Redis (`h?llo*`) as one of Python."""
    return compile_pattern(pattern)


@functools.cache
def _signature(own: Own) -> Signature:
    """A command of ours as the library knows commands."""
    flags: Any = [texts.FLAG_NO_SCRIPT, texts.FLAG_SKIP_CONVERT_TO_RESP2]
    flags += [texts.FLAG_TRANSACTION] if own.at_once else []
    fixed: Any = (bytes,) * own.least
    repeat: Any = () if own.most == own.least else (bytes,)
    return Signature(own.name, own.name, fixed, repeat, flags=flags)


def nowhere(_: bytes) -> None:
    """Where answers go that nobody wants."""


class Engine(FakeSocket):
    """One client of a store; methods belong to the thread that serves."""

    def __init__(self, store: Store, number: int, addresses: Mapping[str, str]) -> None:
        self.store = store
        self.logged_in = False
        self.only_reads = False
        """Whether what it executes, a script, may write nothing."""
        self.since = clock.wall()
        self.latest = self.since
        """When it said something last."""
        self.said = b""
        """The command that it said last."""
        self.on_answer: Callable[[bytes], None] = nowhere
        """Called with the answer that it waits for."""
        self.on_push: Callable[[bytes], None] = nowhere
        """Called with what nobody asked for: messages of its channels."""
        self.on_kill: Callable[[], None] = nothing
        self.on_refused: Callable[[], None] = nothing
        """Called when it has given a wrong password."""
        self._out: list[bytes] | None = None
        self._may_wait = True
        self._words: list[bytes] = []
        self._answer: Any = None
        self._stand_ins: dict[int, Any] = {}
        super().__init__(store.server, 0, client_class=object, client_info=dict(addresses))
        self._client_info["id"] = number

    # What is known of it

    @property
    def number(self) -> int:
        """Its id; 0 is the server itself."""
        return int(self._client_info["id"])

    @property
    def addresses(self) -> tuple[str, str]:
        """The client's address and the server's."""
        return self._client_info.get("addr", ""), self._client_info.get("laddr", "")

    @property
    def user(self) -> str:
        """Who has logged in, else `"default"`."""
        return str(self._client_info.get("user", "default"))

    @property
    def name(self) -> str:
        """What it calls itself."""
        return str(self._client_info.get("name", ""))

    @name.setter
    def name(self, name: str) -> None:
        self._client_info["name"] = name

    @property
    def library(self) -> tuple[str, str]:
        """Its library and that one's version."""
        return self._client_info.get("lib-name", ""), self._client_info.get("lib-ver", "")

    @property
    def db(self) -> int:
        """The number of its database."""
        return int(self._db_num)

    @property
    def protocol(self) -> int:
        """The version of RESP that it speaks."""
        return self._client_info.protocol_version

    @protocol.setter
    def protocol(self, version: int) -> None:
        self._client_info["resp"] = version

    @property
    def subscriptions(self) -> int:
        """How many channels and patterns it listens to."""
        return self._pubsub

    @property
    def waits(self) -> Wait | None:
        """What it waits for."""
        return self.store.waiting.get(self)

    @property
    def queued(self) -> int:
        """How many commands wait for EXEC, -1 without MULTI."""
        return len(self._transaction) if self._transaction is not None else -1

    @property
    def watched(self) -> int:
        """How many keys it watches."""
        return len(self._watches)

    # What it says

    def execute(self, words: list[bytes], *, may_wait: bool = True) -> bytes | None:
        """Do what it says; the answer, or `None` if it waits, which it does only if it may."""
        out: list[bytes] = []
        self._out, self._may_wait, self._words, self._answer = out, may_wait, words, None
        self.said = words[0]
        store = self.store
        store.commands += 1
        if store.monitors:
            store.tell_monitors(self.db, self.addresses[0], words)
        try:
            with serving:
                self._process_command(words)
                if store.touched and store.waiting:
                    store.serve()
        except Exception as error:  # noqa: BLE001  # whatever a client has made the library raise is no test's failure
            out[:] = [self._broken(error)]
        finally:
            self._out = None
        if self in store.waiting:
            return None
        return out[0] if len(out) == 1 else b"".join(out)

    @property
    def answer(self) -> Any:
        """What the last command came to, as a Python value."""
        return plain(self._answer)

    def _broken(self, error: Exception) -> bytes:
        text = f"{type(error).__name__}: {error}"
        self.store.note(self.number, f"{self.said!r} is more than the library can do: {text}")
        self._answer = SimpleError(f"ERR internal error: {text}")
        return resp.encode(self._answer, self.protocol)

    def _process_command(self, fields: list[bytes]) -> None:
        """As the library has it for Redis, without what only its own sockets need: a third of its time went there."""
        name, args = extract_command(fields)
        server = self._server
        runs = False
        try:
            function, signature = self._name_to_func(name)
            server.acl.validate_command(self._client_info.user, self._client_info, fields)
            with server.lock:
                self.latest = now = clock.wall()
                for db in server.dbs.values():
                    db.time = now
                if self._transaction is not None and texts.FLAG_TRANSACTION not in signature.flags:
                    signature.check_arity(args, VERSION)
                    self._transaction.append((function, signature, args))
                    result: Any = QUEUED
                else:
                    runs = True
                    result = self._run_command(function, signature, args, False)
        except SimpleError as refusal:
            if self._transaction is not None and not runs:
                self._transaction_failed = True
            if name == "exec" and refusal.value.startswith("ERR "):
                refusal.value = f"EXECABORT Transaction discarded because of: {refusal.value[4:]}"
                self._forget_transaction()
                self._clear_watches()
            result = refusal
        silent = self._reply_off or self._reply_skip
        self._reply_skip, self._reply_skip_next = self._reply_skip_next, False
        if not silent and not isinstance(result, NoResponse):
            self._reply(result)

    def _reply(self, result: Any) -> None:
        """Answer what was said."""
        if self._stand_ins and self._transaction is None:
            if isinstance(result, list):
                for place, value in self._stand_ins.items():
                    result[place] = value
            self._stand_ins.clear()
        self._answer = result
        if type(result) is SimpleString:  # most of what is written is answered so
            self.push(b"+%b\r\n" % result.value)
        else:
            self.push(shapes.encoded(result, self._words, self.protocol))

    def put_response(self, msg: Any) -> None:
        self.push(resp.push(msg, self.protocol))

    def _name_to_func(self, cmd_name: str) -> tuple[Callable[[Any], Any] | None, Signature]:
        store = self.store
        if not self.logged_in and store.must_log_in and cmd_name not in STRANGERS_MAY:
            raise Refusal("NOAUTH Authentication required.")
        if store.read_only and self.number and store.writes(cmd_name):
            raise Refusal("READONLY You can't write against a read only replica.")
        if self.only_reads and store.writes(cmd_name):
            raise Refusal("ERR Write commands are not allowed from read-only scripts.")
        own = store.own.get(cmd_name)
        if own is not None:
            return functools.partial(own.function, self), _signature(own)
        return super()._name_to_func(cmd_name)

    def _unknown_command(self, command: str, args: str | None = None) -> SimpleError:
        group, _, rest = command.partition(" ")
        if rest:
            return Refusal(f"ERR unknown subcommand '{rest[:128]}'. Try {group.upper()} HELP.")
        shown = "".join(f"'{word[:128].decode('utf-8', 'replace')}' " for word in self._words[1:])
        return Refusal(f"ERR unknown command '{command[:128]}', with args beginning with: {shown[:128]}")

    def _run_command(
        self, func: Callable[[Any], Any] | None, sig: Signature, args: list[Any], from_script: bool
    ) -> Any:
        if from_script and self.store.monitors:
            self.store.tell_monitors(self.db, "lua", [*sig.name.upper().encode().split(), *args])
        listens = self._pubsub
        if not listens or self.protocol < 3 or sig.name in self.ACCEPTED_COMMANDS_WHILE_PUBSUB:
            return super()._run_command(func, sig, args, from_script)
        self._pubsub = 0  # with RESP3 who listens may say anything
        try:
            return super()._run_command(func, sig, args, from_script)
        finally:
            self._pubsub += listens

    def _get_server_runtime(self, server: FakeServer) -> Any:
        runtime = super()._get_server_runtime(server)
        if self.store.runtime is None:
            self.store.runtime = Timed(runtime)
        return self.store.runtime

    # What is stored

    def size_of(self, key: bytes) -> int | None:
        """How large the key's value is, about; `None` if there is none."""
        item = self._db.get(key)
        if item is None:
            return None
        return len(item.value) if isinstance(item.value, bytes) else 16 * len(item.value)

    def drop_if_empty(self, key: bytes) -> None:
        """Take out a key whose list has nothing in it any more."""
        item = self._db.get(key)
        if item is not None and not item.value and not isinstance(item.value, bytes):
            del self._db[key]
            self._db.notify_watch(key)

    # Waiting

    def _blocking(
        self, timeout: float | None, func: Callable[[bool], Any], shape: Callable[[Any], Any] | None = None
    ) -> Any:
        wait = Wait(timeout or None, func, shape)
        result = func(True)
        if result is not None or self._in_transaction or not self._may_wait:
            return wait.shaped(result)
        self._db.add_change_callback(self.store.touch)
        self._blocked = True
        self.store.waiting[self] = wait
        return NoResponse()

    def run(self, name: str, *words: bytes) -> Any:
        """What the library's command of that name comes to. Raises `Refusal`."""
        function, signature = super()._name_to_func(name)
        result = super()._run_command(function, signature, list(words), False)
        if isinstance(result, SimpleError):
            raise result
        return result

    def wait_for(self, timeout: float, attempt: Callable[[], Any]) -> Any:
        """What an attempt comes to, as soon as that is something. One that is refused later is no reason to end."""

        def again(first: bool) -> Any:
            try:
                return attempt()
            except SimpleError:
                if first:
                    raise
                return None

        return self._blocking(timeout, again)

    def try_again(self) -> None:
        """See whether there is what it waits for."""
        wait = self.store.waiting[self]
        with self._server.lock:
            self._db.time = clock.wall()
            try:
                if self._unblock_reason is not None:
                    self._take_unblock_reason()
                    result = wait.shaped(None)
                else:
                    result = wait.attempt(False)
                    if result is None:
                        return
                    result = wait.shaped(result)
            except SimpleError as refusal:
                result = refusal
            except Exception as error:  # noqa: BLE001  # it is the one that waits whom it is about, not who woke it
                self._broken(error)
                result = self._answer
        self._go_on(result)

    def give_up(self) -> None:
        """What it waits for has not come in time."""
        wait = self.store.waiting[self]
        with serving, self._server.lock:
            self._db.time = clock.wall()
            result = wait.shaped(None)
        self._go_on(result)

    def _go_on(self, result: Any) -> None:
        self.stop_waiting()
        self._answer = convert_to_resp2(result) if self.protocol < 3 else result
        self.on_answer(shapes.encoded(self._answer, self._words, self.protocol))

    def stop_waiting(self) -> None:
        """It does not wait any more; nothing is answered."""
        self.store.waiting.pop(self, None)
        self._blocked = False
        self._unblock_reason = None

    # Transactions

    @property
    def in_transaction(self) -> bool:
        """Whether what it says is queued for EXEC."""
        return bool(self._queueing)

    def fail_transaction(self) -> None:
        """A command was refused, so that EXEC will be."""
        if self._queueing:
            self._transaction_failed = True

    def answer_in_transaction(self, value: Any) -> None:
        """Let EXEC have that for the command that was queued last."""
        if self._transaction:
            self._stand_ins[len(self._transaction) - 1] = value

    # Who it is

    def log_in(self, user: str, password: str) -> bool:
        """Be that user, if the password is right. Where nobody has to log in everybody may."""
        if not self.store.lets_in(user, password):
            self.on_refused()
            self._server.acl.add_log_record(b"auth", b"toplevel", b"AUTH", user.encode(), self._client_info.as_bytes())
            return False
        self.logged_in = True
        self._client_info["user"] = user
        return True

    # The end

    def kill(self) -> None:
        super().kill()
        self.on_kill()

    def push(self, data: bytes) -> None:
        """Have it hear something that it has not asked for."""
        if self._out is not None:
            self._out.append(data)
        else:
            self.on_push(data)

    def leave(self) -> None:
        """It is gone."""
        self.stop_waiting()
        self.store.monitors.pop(self, None)
        self._discard_subscriptions()
        self._clear_watches()
        if self in self.store.server.sockets:
            self.store.server.sockets.remove(self)
        self.on_push, self.on_kill = nowhere, nothing  # who has these holds this one
