"""Commands that wait, and keys that expire, by the servers' clock."""

from __future__ import annotations

import time
from typing import Any

import fakeredis
import freezegun
import pytest
import redis
from helpers import connect, in_thread, read_exactly
from redis.backoff import ExponentialBackoff
from redis.retry import Retry
from redis_talk import client, command

from pytest_netmocks import RedisServer, RedisSortedSet
from pytest_netmocks.faults import Refuse

WAITING: dict[str, tuple[tuple[Any, ...], tuple[Any, ...], bytes]] = {
    "BLPOP": (("BLPOP", "none", "k"), ("RPUSH", "k", "a", "b"), b"*2\r\n$1\r\nk\r\n$1\r\na\r\n"),
    "BRPOP": (("BRPOP", "none", "k"), ("RPUSH", "k", "a", "b"), b"*2\r\n$1\r\nk\r\n$1\r\nb\r\n"),
    "BLMOVE": (("BLMOVE", "k", "l", "LEFT", "RIGHT"), ("RPUSH", "k", "a", "b"), b"$1\r\na\r\n"),
    "BRPOPLPUSH": (("BRPOPLPUSH", "k", "l"), ("RPUSH", "k", "a", "b"), b"$1\r\nb\r\n"),
    "BZPOPMIN": (("BZPOPMIN", "k"), ("ZADD", "k", 1.5, "a"), b"*3\r\n$1\r\nk\r\n$1\r\na\r\n$3\r\n1.5\r\n"),
    "BZPOPMAX": (("BZPOPMAX", "k"), ("ZADD", "k", 1.5, "a"), b"*3\r\n$1\r\nk\r\n$1\r\na\r\n$3\r\n1.5\r\n"),
    "BLMPOP": (
        ("BLMPOP", "TIME", 1, "k", "LEFT"),
        ("RPUSH", "k", "a"),
        b"*2\r\n$1\r\nk\r\n*1\r\n$1\r\na\r\n",
    ),
    "BZMPOP": (
        ("BZMPOP", "TIME", 1, "k", "MIN"),
        ("ZADD", "k", 1.5, "a"),
        b"*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$1\r\na\r\n$3\r\n1.5\r\n",
    ),
    "XREAD": (
        ("XREAD", "BLOCK", "TIME", "STREAMS", "k", "$"),
        ("XADD", "k", "5-0", "f", "v"),
        b"*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$3\r\n5-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
    ),
    "XREADGROUP": (
        ("XREADGROUP", "GROUP", "g", "c", "BLOCK", "TIME", "STREAMS", "k", ">"),
        ("XADD", "k", "5-0", "f", "v"),
        b"*1\r\n*2\r\n$1\r\nk\r\n*1\r\n*2\r\n$3\r\n5-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
    ),
}
"""By command: what is said, without its time, what ends the waiting, and the answer."""


def waiting(name: str, seconds: int) -> bytes:
    words, _, _ = WAITING[name]
    if name.startswith("X"):
        seconds *= 1000
    given = [seconds if word == "TIME" else word for word in words]
    return command(*given if "TIME" in words else (*given, seconds))


@pytest.fixture
def grouped(redis_server: RedisServer) -> RedisServer:
    """A server whose stream has a group."""
    redis_server.execute("XGROUP", "CREATE", "k", "g", "$", "MKSTREAM")
    return redis_server


def server_for(request: pytest.FixtureRequest, name: str) -> RedisServer:
    server: RedisServer = request.getfixturevalue("grouped" if name == "XREADGROUP" else "redis_server")
    return server


@pytest.mark.parametrize("name", WAITING)
def test_who_waits_gets_what_another_brings(request: pytest.FixtureRequest, name: str) -> None:
    server = server_for(request, name)
    _, bring, answer = WAITING[name]
    with connect(server) as sock:
        sock.sendall(waiting(name, 0) + command("PING"))
        server.wait_for(lambda server: server.requests)
        server.execute(*bring)
        assert read_exactly(sock, len(answer) + 7) == answer + b"+PONG\r\n"
    left = {"BLMOVE": {b"k": [b"b"], b"l": [b"a"]}, "BRPOPLPUSH": {b"k": [b"a"], b"l": [b"b"]}}
    left |= {"BLPOP": {b"k": [b"b"]}, "BRPOP": {b"k": [b"a"]}}
    if not name.startswith("X"):
        assert dict(server.data) == left.get(name, {})


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", WAITING)
def test_nobody_waits_longer_than_he_has_said(request: pytest.FixtureRequest, name: str) -> None:
    server = server_for(request, name)
    nothing = b"$-1\r\n" if name in ("BLMOVE", "BRPOPLPUSH") else b"*-1\r\n"
    with connect(server, timeout=1000) as sock:
        begin = time.monotonic()
        sock.sendall(waiting(name, 500))
        assert read_exactly(sock, 5) == nothing
        assert 500 <= time.monotonic() - begin < 510
    assert server.requests[-1].reply == nothing


@pytest.mark.parametrize("name", WAITING)
def test_a_transaction_waits_for_nothing(request: pytest.FixtureRequest, name: str) -> None:
    server = server_for(request, name)
    with connect(server) as sock:
        sock.sendall(command("MULTI") + waiting(name, 500) + command("EXEC"))
        assert read_exactly(sock, 18) == b"+OK\r\n+QUEUED\r\n*1\r\n"
        assert read_exactly(sock, 5) in (b"$-1\r\n", b"*-1\r\n")


@pytest.mark.virtual_time
def test_keys_expire_by_the_servers_clock(redis_server: RedisServer) -> None:
    redis_server.data.set("k", b"v", ttl=3600)
    with client(redis_server) as one:
        one.set("m", b"w", ex=7200)
        one.hset("h", mapping={"f": 1, "g": 2})
        one.hexpire("h", 60, "f")
        begin = one.time()[0]
        time.sleep(3540)
        assert one.get("k") == b"v"
        assert 50 <= one.ttl("k") <= 60
        assert 50 <= (redis_server.data.ttl("k") or 0) <= 60
        assert redis_server.data["h"] == {b"g": b"2"}
        time.sleep(61)
        assert one.get("k") is None
        assert redis_server.data.keys() == {b"m", b"h"}
        assert 3601 <= one.time()[0] - begin <= 3612
        assert 3601 <= one.client_info()["age"] <= 3611


def test_a_clock_that_a_test_has_stopped_is_not_the_servers(redis_server: RedisServer) -> None:
    with freezegun.freeze_time("2012-01-14"), client(redis_server) as one:
        assert one.time()[0] > 1.7e9
        others = fakeredis.FakeRedis()
        assert others.time()[0] == 1326499200


def test_what_stays_and_what_is_not_there_has_no_time(redis_server: RedisServer) -> None:
    redis_server.data["z"] = RedisSortedSet({"a": 1})
    assert redis_server.data.ttl("z") is None
    redis_server.data.expire("z", 100)
    assert 50 < (redis_server.data.ttl("z") or 0) <= 100
    for ask in (redis_server.data.ttl, lambda key: redis_server.data.expire(key, 1)):
        with pytest.raises(KeyError):
            ask("none")
    with pytest.raises(ValueError, match="ttl must be"):
        redis_server.data.set("k", b"", ttl=0)


@pytest.mark.virtual_time
def test_redis_pys_back_off_outlasts_a_server_that_is_away(redis_server: RedisServer) -> None:
    retry = Retry(ExponentialBackoff(cap=60, base=1), 10, (redis.ConnectionError,))
    with client(redis_server, retry=retry) as one:
        one.set("k", b"v")
        redis_server.stop()
        with redis_server.inject(Refuse(), duration=100):
            redis_server.start()
            for connection in redis_server.open_connections:
                connection.close()
            begin = time.monotonic()
            assert one.get("k") == b"v"
            assert 100 <= time.monotonic() - begin < 200


@pytest.mark.virtual_time
def test_a_listener_hears_nothing_for_a_day(redis_server: RedisServer) -> None:
    with client(redis_server, socket_timeout=None) as one, one.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("c")
        listener.get_message(timeout=60)
        begin = time.monotonic()
        assert listener.get_message(timeout=86400) is None
        assert time.monotonic() - begin >= 86400
        in_thread(redis_server.execute, "PUBLISH", "c", "at last")
        assert (listener.get_message(timeout=86400) or {})["data"] == b"at last"
