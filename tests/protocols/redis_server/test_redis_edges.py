"""What no client should send, what is too much, and what the library could lose."""

from __future__ import annotations

import itertools
from typing import Any

import fakeredis
import pytest
from fakeredis._commands import SUPPORTED_COMMANDS
from fakeredis._socket import FakeSocket
from helpers import connect, read_exactly, read_to_end, say
from hypothesis import given, settings
from hypothesis import strategies as st
from redis_talk import client, command, said

from pytest_netmocks import Netmocks, RedisServer
from pytest_netmocks.faults import Reset
from pytest_netmocks.protocols.redis import library
from pytest_netmocks.protocols.redis.parts import parts
from pytest_netmocks.protocols.redis.resp import ARGUMENTS, BULK, DEPTH, INLINE, Commands, ProtocolError, encode
from pytest_netmocks.reports.redact import masked


def read_all(*pieces: bytes) -> list[list[bytes]]:
    """The commands in these pieces, taken as they come."""
    commands, found = Commands(), []
    for piece in pieces:
        commands.add(piece)
        while (words := commands.next()) is not None:
            found.append(words)
    return found


words = st.lists(st.binary(max_size=40) | st.binary(min_size=1000, max_size=1100), min_size=1, max_size=12)


@settings(max_examples=30)
@given(st.lists(words, max_size=4), st.lists(st.integers(min_value=0, max_value=4000), max_size=8))
def test_commands_are_read_however_they_come_apart(commands: list[list[bytes]], cuts: list[int]) -> None:
    data = b"".join(command(*one) for one in commands)
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:stop] for start, stop in itertools.pairwise(places)]
    assert read_all(*pieces) == commands
    if len(data) < 200:
        assert read_all(*(bytes([byte]) for byte in data)) == commands


@given(st.binary(max_size=200))
def test_whatever_comes_is_commands_or_an_error_of_the_protocol(data: bytes) -> None:
    try:
        found = read_all(data)
    except ProtocolError as error:
        assert str(error).startswith("ERR Protocol error: ")
    else:
        assert all(isinstance(word, bytes) for command in found for word in command)
    assert list(parts(data)) == sorted(set(parts(data)))


@pytest.mark.parametrize(
    "parted",
    [
        [b"+OK\r\n", b"-ERR no\r\n", b":1\r\n", b"_\r\n", b"#t\r\n", b",1.5\r\n"],
        [b"$3\r\na\r\n\r\n", b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"$0\r\n\r\n"],
        [b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", b"PING\r\n", b"*1\r\n$4\r\nQUIT\r\n"],
        [b"*2\r\n*1\r\n:1\r\n*0\r\n", b"%1\r\n+a\r\n~2\r\n:1\r\n$1\r\nb\r\n", b">2\r\n+m\r\n*-1\r\n", b"+OK\r\n"],
    ],
)
def test_a_sweep_has_a_place_behind_each_command_and_each_answer(parted: list[bytes]) -> None:
    assert list(parts(b"".join(parted))) == list(itertools.accumulate(map(len, parted)))
    assert list(parts(b"".join(parted)[:-1])) == list(itertools.accumulate(map(len, parted[:-1])))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"PING\r\n", [b"PING"]),
        (b"  SET\tk  v \r\n", [b"SET", b"k", b"v"]),
        (b"\r\n", []),
        (b'SET k "a \\"b\\" \\x41\\n"\n', [b"SET", b"k", b'a "b" A\n']),
        (b"SET k 'a \\'b\\' \\n'\r\n", [b"SET", b"k", b"a 'b' \\n"]),
        (b'SET k ""\r\n', [b"SET", b"k", b""]),
        (b"$0\r\n", [b"$0"]),
    ],
)
def test_inline_commands_are_words_on_a_line(line: bytes, found: list[bytes]) -> None:
    assert read_all(line) == [found]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"*x\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*%d\r\n" % (ARGUMENTS + 1), b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n:5\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"*1\r\n$-1\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$1_0\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n$%d\r\n" % (BULK + 1), b"-ERR Protocol error: invalid bulk length\r\n"),
        (b"*1\r\n*1\r\n*1\r\n", b"-ERR Protocol error: expected '$', got '*'\r\n"),
        (b'SET k "a\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
        (b"a" * (INLINE + 1), b"-ERR Protocol error: too big inline request\r\n"),
        (b"*1\r\n$" + b"1" * (INLINE + 1), b"-ERR Protocol error: too big bulk count string\r\n"),
        (b"\x16\x03\x01\x00\xa5\x01\n", b"-ERR unknown command"),
    ],
)
def test_garbage_gets_the_protocols_error(redis_server: RedisServer, data: bytes, error: bytes) -> None:
    answer = say(redis_server, b"PING\r\n" + data, finish=True)
    assert answer.startswith(b"+PONG\r\n" + error)
    if b"Protocol error" in error:
        assert redis_server.connections[0].closed_by == "server"


def test_arrays_of_nothing_are_nothing(redis_server: RedisServer) -> None:
    assert said(redis_server, b"*0\r\n*-1\r\n\r\n", command("PING"), size=7) == b"+PONG\r\n"


def test_who_has_not_logged_in_may_send_little(netmocks: Netmocks) -> None:
    server = netmocks.redis(users={"default": "p"})
    assert say(server, b"*11\r\n", finish=False) == b"-ERR Protocol error: unauthenticated multibulk length\r\n"
    assert say(server, b"*1\r\n$16385\r\n", finish=False) == b"-ERR Protocol error: unauthenticated bulk length\r\n"
    long = command("SET", "k", b"x" * 20000)
    assert said(server, command("AUTH", "p"), long, size=10) == b"+OK\r\n+OK\r\n"


def test_a_large_value_comes_and_goes(redis_server: RedisServer) -> None:
    value = bytes(range(256)) * 40960  # 10 MiB
    with client(redis_server, socket_timeout=60) as one:
        one.set("k", value)
        assert one.get("k") == value


def test_three_thousand_commands_at_once_are_answered_in_turn(redis_server: RedisServer) -> None:
    with client(redis_server, socket_timeout=60) as one:
        pipe = one.pipeline(transaction=False)
        for number in range(3_000):
            pipe.incr("n")
            del number
        assert pipe.execute() == list(range(1, 3_001))
    assert len(redis_server.requests) >= 3_000


def test_an_answer_is_not_nested_for_ever() -> None:
    deep: Any = b""
    for _ in range(DEPTH):
        deep = [deep]
    assert encode(deep, 2).startswith(b"*1\r\n" * DEPTH)
    with pytest.raises(ValueError, match="nested"):
        encode([deep], 2)


def test_what_is_more_than_the_library_can_do_is_an_error_and_on_record(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError("out of order")

    monkeypatch.setattr(library.Engine, "strlen", broken)
    with connect(redis_server) as sock:
        sock.sendall(command("STRLEN", "k") + command("PING"))
        answer = b"-ERR internal error: RuntimeError: out of order\r\n+PONG\r\n"
        assert read_exactly(sock, len(answer)) == answer
    assert "more than the library can do" in str(redis_server.timeline)


def test_a_listener_that_does_not_read_is_ended(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_netmocks.protocols.redis.session.UNREAD", 1 << 20)
    with connect(redis_server) as sock:
        sock.sendall(command("SUBSCRIBE", "c"))
        redis_server.wait_for(lambda server: server.requests)
        for _ in range(200):
            if redis_server.connections[0].closed_by is not None:
                break
            redis_server.execute("PUBLISH", "c", b"x" * 100_000)
        assert "wait to be read" in str(redis_server.timeline)


def test_a_client_that_is_gone_listens_no_more(redis_server: RedisServer) -> None:
    with connect(redis_server) as sock:
        sock.sendall(command("SUBSCRIBE", "c") + command("PSUBSCRIBE", "*"))
        redis_server.wait_for(lambda server: len(server.requests) == 2)
        redis_server.connections[0].inject(Reset())
    redis_server.wait_for(lambda server: not server.open_connections)
    assert redis_server.execute("PUBLISH", "c", "x") == 0
    assert redis_server.execute("PUBSUB", "CHANNELS") == []


def test_quit_is_answered_and_ends_it(redis_server: RedisServer) -> None:
    with connect(redis_server) as sock:
        sock.sendall(command("QUIT") + command("SET", "k", "v"))
        assert read_to_end(sock) == b"+OK\r\n"
    assert "k" not in redis_server.data


def test_passwords_are_masked_in_what_is_written() -> None:
    names = ["password"]
    for said_so, secret in (
        (command("AUTH", "s3cret"), "s3cret"),
        (command("AUTH", "ann", "s3cret"), "s3cret"),
        (command("HELLO", 3, "AUTH", "ann", "s3cret"), "s3cret"),
    ):
        text = masked(said_so.decode(), names)
        assert secret not in text
        assert ("ann" in text) == (b"ann" in said_so)


NAMES = [
    *("_blocking", "_blocked", "_clear_watches", "_client_info", "_db", "_db_num", "_forget_transaction", "_server"),
    *("_discard_subscriptions", "_get_server_runtime", "_in_transaction", "_name_to_func"),
    *(
        "_process_command",
        "_pubsub",
        "_queueing",
        "_reply_off",
        "_reply_skip",
        "_reply_skip_next",
        "_run_command",
        "_take_unblock_reason",
        "_transaction",
    ),
    *("_transaction_failed", "_unblock_reason", "_unknown_command", "_watches"),
]


def test_the_library_has_the_private_names_that_are_taken_of_it() -> None:
    """Where one goes, this says so before a server behaves in a strange way."""
    server = fakeredis.FakeServer()
    socket = FakeSocket(server, 0, client_class=object)
    missing = [name for name in NAMES if not hasattr(socket, name)]
    assert missing == []
    for name in ("acl", "closed_sockets", "config", "dbs", "lastsave", "lock", "psubscribers", "script_cache"):
        assert hasattr(server, name)
    for name in ("sockets", "ssubscribers", "subscribers"):
        assert hasattr(server, name)
    db = server.dbs[0]
    for name in ("add_change_callback", "notify_watch", "time"):
        assert hasattr(db, name)
    commands = {signature.func_name for signature in SUPPORTED_COMMANDS.values()}
    ours = set(vars(library.Engine)) - set(dir(FakeSocket))
    assert not ours & commands, "a command of the library has a name of ours"
