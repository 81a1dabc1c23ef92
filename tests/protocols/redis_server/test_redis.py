"""Redis as redis-py sees it: data, rules, records, faults."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
import redis
from helpers import connect, in_thread, read_exactly, read_to_end
from redis_talk import client, command, said

from pytest_netmocks import AnyOf, Netmocks, Not, RedisRequest, RedisServer, RedisSortedSet, RedisStream
from pytest_netmocks.faults import Answer, Close, Latency, Reset


def test_what_a_test_stores_clients_get_and_the_other_way_round(redis_server: RedisServer) -> None:
    data = redis_server.data
    data["string"] = "Zoë"
    data["number"] = 5
    data[b"list"] = [b"a", "b", 3]
    data["hash"] = {"field": b"value", "n": 1}
    data["set"] = {"x", "y"}
    data["zset"] = RedisSortedSet({"low": 1, "high": 2.5})
    data["stream"] = RedisStream([("1-0", {"a": "b"}), ("2-0", {"c": 1})])
    with client(redis_server) as one:
        assert one.get("string") == "Zoë".encode()
        assert one.incr("number") == 6
        assert one.lrange("list", 0, -1) == [b"a", b"b", b"3"]
        assert one.hgetall("hash") == {b"field": b"value", b"n": b"1"}
        assert one.smembers("set") == {b"x", b"y"}
        assert one.zrange("zset", 0, -1, withscores=True) == [(b"low", 1.0), (b"high", 2.5)]
        assert one.xrange("stream") == [(b"1-0", {b"a": b"b"}), (b"2-0", {b"c": b"1"})]
        one.rpush("list", "four")
        one.zadd("zset", {"lowest": 0})
    assert dict(data) == {
        b"string": "Zoë".encode(),
        b"number": b"6",
        b"list": [b"a", b"b", b"3", b"four"],
        b"hash": {b"field": b"value", b"n": b"1"},
        b"set": {b"x", b"y"},
        b"zset": {b"lowest": 0.0, b"low": 1.0, b"high": 2.5},
        b"stream": [(b"1-0", {b"a": b"b"}), (b"2-0", {b"c": b"1"})],
    }
    assert list(data["zset"]) == [b"lowest", b"low", b"high"]
    del data["list"]
    assert "list" not in data
    assert (len(data), "set" in data) == (6, True)
    with pytest.raises(KeyError):
        data["list"]
    with pytest.raises(KeyError):
        del data["list"]
    data.clear()
    assert not data


def test_databases_are_apart(redis_server: RedisServer) -> None:
    redis_server.database(3)["key"] = b"three"
    with client(redis_server, db=3) as one:
        assert one.get("key") == b"three"
    assert "key" not in redis_server.data
    assert redis_server.requests[-1].db == 3
    assert redis_server.requests[-1].connection.db == 3


@pytest.mark.parametrize(
    ("key", "value", "error", "words"),
    [
        ("k", None, TypeError, "bytes, text or a number"),
        ("k", [True], TypeError, "bytes, text or a number"),
        ("k", [], ValueError, "nothing that is empty"),
        ("k", {"a": [1]}, TypeError, "bytes, text or a number"),
        ("k", RedisStream([("nonsense", {"a": 1})]), ValueError, "Invalid stream ID"),
        (1, b"", TypeError, "key must be bytes or text"),
    ],
)
def test_what_redis_does_not_store_is_refused_at_the_call(
    redis_server: RedisServer, key: Any, value: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        redis_server.data[key] = value


def test_a_rule_answers_so_many_times_and_then_the_data_do(redis_server: RedisServer) -> None:
    redis_server.data["key"] = b"value"
    rule = redis_server.when("GET", "key").reply(b"other", times=1)
    with client(redis_server) as one:
        assert [one.get("key"), one.get("key")] == [b"other", b"value"]
    assert rule.hits == 1


def test_an_error_is_given_instead_of_executing_and_a_value_after_that(redis_server: RedisServer) -> None:
    redis_server.when("INCRBY").reply(error="LOADING Redis is loading the dataset in memory", times=1).reply(
        41, times=1
    )
    with client(redis_server) as one:
        with pytest.raises(redis.BusyLoadingError):
            one.incr("n")
        assert one.incr("n") == 41
        assert one.incr("n") == 2


@pytest.mark.parametrize(
    ("value", "resp2", "resp3"),
    [
        (b"a\r\n", b"$3\r\na\r\n\r\n", b"$3\r\na\r\n\r\n"),
        ("OK", b"+OK\r\n", b"+OK\r\n"),
        ("WRONGTYPE no", b"-WRONGTYPE no\r\n", b"-WRONGTYPE no\r\n"),
        ("Background saving started", b"+Background saving started\r\n", b"+Background saving started\r\n"),
        (5, b":5\r\n", b":5\r\n"),
        (1 << 70, b"$22\r\n1180591620717411303424\r\n", b"(1180591620717411303424\r\n"),
        (1.5, b"$3\r\n1.5\r\n", b",1.5\r\n"),
        (None, b"$-1\r\n", b"_\r\n"),
        (True, b":1\r\n", b"#t\r\n"),
        ([b"a", "b", None], b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$-1\r\n", b"*3\r\n$1\r\na\r\n$1\r\nb\r\n_\r\n"),
        ({"a": 1}, b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
        ({b"a"}, b"*1\r\n$1\r\na\r\n", b"~1\r\n$1\r\na\r\n"),
    ],
)
def test_python_values_are_what_either_version_has_for_them(
    redis_server: RedisServer, value: Any, resp2: bytes, resp3: bytes
) -> None:
    redis_server.when("GET").reply(value)
    assert said(redis_server, command("GET", "k"), size=len(resp2)) == resp2
    redis_server.when("HELLO").reply("OK")
    assert said(redis_server, command("HELLO", 3), command("GET", "k"), size=5 + len(resp3)) == b"+OK\r\n" + resp3


def test_functions_answer_and_may_ask_for_the_usual_answer(redis_server: RedisServer) -> None:
    redis_server.data["n"] = 1

    def twice(request: RedisRequest) -> Any:
        return 2 * request.usual

    async def key(request: RedisRequest) -> bytes:
        return b"<" + request.args[0] + b">"

    redis_server.when("INCRBY").reply(twice)
    redis_server.when("GET", re.compile("^session:")).reply(key)
    redis_server.when("PING").reply(lambda request: request.usual)
    with client(redis_server) as one:
        assert (one.incr("n"), redis_server.data["n"]) == (4, b"2")
        assert one.get("session:5") == b"<session:5>"
        assert one.ping()


def test_rules_choose_by_command_and_arguments(redis_server: RedisServer) -> None:
    redis_server.when(Not(AnyOf("HELLO", "CLIENT"))).reply(error="ERR any")
    redis_server.when(AnyOf("GET", "GETDEL"), "a").reply(b"one of two")
    redis_server.when("SET", None, Not("v")).reply(error="ERR not v")
    redis_server.when("client setname", "x").reply(b"made up")
    redis_server.when("LPUSH", "list", 5).reply(7)

    def answers(*words: str) -> Any:
        with client(redis_server) as one:
            try:
                return one.execute_command(*words)
            except redis.ResponseError as error:
                return str(error)

    assert answers("GETDEL", "a") == b"one of two"
    assert answers("GET", "b") == "any"
    assert answers("SET", "k", "w") == "not v"
    assert answers("SET", "k", "v") == "any"
    assert answers("CLIENT", "SetName", "x") == b"made up"
    assert answers("CLIENT", "SETNAME", "y") == b"OK"
    assert answers("LPUSH", "list", "5") == 7


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (("GTE",), ValueError, "command 'GTE' is not known here .did you mean 'GET"),
        ((5,), TypeError, "command must be the name"),
        (("GET", object()), TypeError, "argument must be bytes, text, a number"),
        (("GET", True), TypeError, "argument must be"),
    ],
)
def test_a_rule_that_nothing_could_match_is_refused(
    redis_server: RedisServer, arguments: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        redis_server.when(*arguments)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, TypeError),
        ({"value": b"", "error": "ERR x"}, TypeError),
        ({"value": object()}, TypeError),
        ({"error": " "}, ValueError),
        ({"raw": "text"}, TypeError),
        ({"value": b"", "execute": True}, ValueError),
        ({"value": b"", "delay": -1}, ValueError),
        ({"value": b"", "times": 0}, ValueError),
    ],
)
def test_a_reply_that_is_none_is_refused(
    redis_server: RedisServer, options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        redis_server.when("GET").reply(**options)


def test_raw_bytes_go_out_as_they_are(redis_server: RedisServer) -> None:
    redis_server.when("GET").reply(raw=b"!nonsense\r\n", times=1)
    redis_server.when("INCRBY").reply(raw=b":9\r\n", execute=True, then_close=True)
    with connect(redis_server) as sock:
        sock.sendall(command("GET", "k") + command("INCRBY", "n", 1) + command("INCRBY", "n", 1))
        assert read_to_end(sock) == b"!nonsense\r\n:9\r\n"
    assert redis_server.data["n"] == b"1"


def test_records_say_what_was_asked_and_answered(redis_server: RedisServer) -> None:
    with client(redis_server, client_name="worker") as one:
        one.set("k", b"a b\n")
        one.lrange("none", 0, -1)
        with pytest.raises(redis.ResponseError):
            one.lrange("k", 0, -1)
    first, second, third = redis_server.requests[-3:]
    assert (first.command, first.args, first.reply) == ("SET", (b"k", b"a b\n"), b"+OK\r\n")
    assert str(first) == r'SET k "a b\n" -> OK'
    assert str(second) == "LRANGE none 0 -1 -> (array of 0)"
    assert third.sides().refuses
    assert third.sides().code == "WRONGTYPE"
    connection = redis_server.connections[0]
    assert first.connection is connection
    assert (connection.client_name, connection.library, connection.protocol) == (
        "worker",
        f"redis-py {redis.__version__}",
        2,
    )


def test_faults_strike_in_place_of_the_answer_or_behind_so_many_of_its_bytes(redis_server: RedisServer) -> None:
    redis_server.data["key"] = b"value"
    redis_server.when("INCRBY").inject(Reset())
    redis_server.when("GET").inject(Close(after_bytes=6))
    with client(redis_server) as one:
        with pytest.raises(redis.ConnectionError):
            one.incr("n")
        assert redis_server.data["n"] == b"1"  # the answer was lost, not the command
    with connect(redis_server) as sock:
        sock.sendall(command("PING") + command("GET", "key") + command("PING"))
        assert read_to_end(sock) == b"+PONG\r\n$5\r\nva"
    assert redis_server.requests[-1].reply == b"$5\r\nva"


def test_an_answer_by_chance_stands_in_place_of_whatever_was_due(redis_server: RedisServer) -> None:
    with client(redis_server) as one:
        one.ping()
        redis_server.inject(Answer("LOADING Redis is loading the dataset in memory"), nth=2)
        one.set("k", 1)
        with pytest.raises(redis.BusyLoadingError):
            one.set("k", 2)
        assert one.get("k") == b"1"


def test_latency_of_one_answer_holds_up_no_other_client(redis_server: RedisServer) -> None:
    redis_server.when("GET", "slow").inject(Latency(30))
    with client(redis_server, socket_timeout=0.05) as slow, client(redis_server) as other:
        with pytest.raises(redis.TimeoutError):
            slow.get("slow")
        assert other.get("fast") is None


def test_limits_say_try_again_and_that_it_is_full(redis_server: RedisServer) -> None:
    redis_server.when("INCRBY").limit(1, per=1000)
    with client(redis_server) as one:
        one.incr("n")
        with pytest.raises(redis.ResponseError, match="too many requests"):
            one.incr("n")
    with redis_server.limit(1, per=1000):
        assert said(redis_server, command("PING"), size=7) == b"+PONG\r\n"
        with connect(redis_server) as sock:
            assert read_to_end(sock) == b"-ERR max number of clients reached\r\n"


def test_a_new_connection_can_be_told_something(redis_server: RedisServer) -> None:
    redis_server.when_connected().reply(error="ERR max number of clients reached", times=1, then_close=True)
    with pytest.raises(redis.ConnectionError), client(redis_server) as one:
        one.ping()
    with client(redis_server) as one:
        assert one.ping()


def test_what_it_was_made_with_is_there_again_after_a_reset(netmocks: Netmocks) -> None:
    server = netmocks.redis(data={"kept": b"1"}, users={"u": "p"})
    with client(server, username="u", password="p") as one:
        one.set("kept", 2)
        one.set("more", 3)
        one.acl_setuser("other", enabled=True, nopass=True)
    server.users["v"] = "q"
    server.fail_over()
    server.when("GET").reply(b"x")
    server.reset()
    assert (dict(server.data), server.users) == ({b"kept": b"1"}, {"u": "p"})
    with client(server, username="u", password="p") as one:
        assert one.get("kept") == b"1"
        assert one.set("kept", 5)
        assert one.acl_users() == ["default"]


def test_a_server_executes_what_a_test_says(redis_server: RedisServer) -> None:
    assert redis_server.execute("SET", "k", 1) == "OK"
    assert redis_server.execute("INCRBY", "k", 2) == 3
    assert redis_server.execute("EVAL", "return {KEYS[1], 7}", 1, "x") == [b"x", 7]
    with pytest.raises(ValueError, match="LPUSH: WRONGTYPE"):
        redis_server.execute("LPUSH", "k", "v")
    with pytest.raises(TypeError):
        redis_server.execute()
    assert redis_server.requests == []


def test_who_fails_over_refuses_to_write_until_it_is_lifted(redis_server: RedisServer) -> None:
    redis_server.data["k"] = b"v"
    with client(redis_server) as one:
        with redis_server.fail_over():
            assert one.get("k") == b"v"
            with pytest.raises(redis.ReadOnlyError):
                one.set("k", b"w")
            with pytest.raises(redis.ReadOnlyError):
                one.eval("return redis.call('set', KEYS[1], 1)", 1, "k")
            assert one.info("replication")["role"] == "slave"
            assert one.role()[0] == b"slave"
        assert one.set("k", b"w")


def test_clients_that_log_in_wrongly_are_told_and_banned(netmocks: Netmocks) -> None:
    server = netmocks.redis(users={"default": "secret", "ann": "pass"}, ban_after=2)
    with client(server, password="secret") as one, client(server, username="ann", password="pass", protocol=3) as two:
        assert one.acl_whoami() == "default"
        assert two.acl_whoami() == b"ann"
        assert server.requests[-1].connection.user == "ann"
    assert said(server, command("GET", "k"), size=34) == b"-NOAUTH Authentication required.\r\n"
    for _ in range(2):
        with pytest.raises(redis.AuthenticationError), client(server, password="wrong") as one:
            one.ping()
    with pytest.raises(redis.ConnectionError), client(server, password="secret") as one:
        one.ping()


def test_a_client_waits_for_what_another_brings_who_came_first_first(redis_server: RedisServer) -> None:
    got: list[Any] = []

    def wait(number: int) -> None:
        with client(redis_server) as one:
            got.append((number, one.blpop(["queue"], timeout=30)))

    threads = []
    for number in (1, 2):
        threads.append(in_thread(wait, number))
        redis_server.wait_for(lambda server: [r.command for r in server.requests].count("BLPOP") == number)  # noqa: B023
    redis_server.data["queue"] = [b"a"]
    threads[0].join(10)
    with client(redis_server) as one:
        one.rpush("queue", "b")
    threads[1].join(10)
    assert got == [(1, (b"queue", b"a")), (2, (b"queue", b"b"))]
    assert redis_server.data.get("queue") is None


def test_what_a_waiting_client_gets_may_be_what_another_waits_for(redis_server: RedisServer) -> None:
    with connect(redis_server) as one, connect(redis_server) as two, connect(redis_server) as three:
        one.sendall(command("BLMOVE", "a", "b", "LEFT", "RIGHT", 0))
        two.sendall(command("BRPOP", "b", 0))
        redis_server.wait_for(lambda server: len(server.requests) == 2)
        three.sendall(command("MULTI") + command("RPUSH", "a", "x") + command("EXEC"))
        assert read_exactly(three, 22) == b"+OK\r\n+QUEUED\r\n*1\r\n:1\r\n"
        assert read_exactly(one, 7) == b"$1\r\nx\r\n"
        assert read_exactly(two, 18) == b"*2\r\n$1\r\nb\r\n$1\r\nx\r\n"


def test_a_client_that_waits_and_leaves_takes_nothing_along(redis_server: RedisServer) -> None:
    with connect(redis_server) as one, connect(redis_server) as two:
        one.sendall(command("BLPOP", "queue", 0))
        two.sendall(command("BLPOP", "queue", 0))
        redis_server.wait_for(lambda server: len(server.requests) == 2)
        redis_server.connections[1].inject(Reset())
    redis_server.wait_for(lambda server: not server.open_connections)
    redis_server.data["queue"] = [b"a"]
    assert redis_server.data["queue"] == [b"a"]


def test_a_rule_answers_who_would_wait(redis_server: RedisServer) -> None:
    redis_server.when("BLPOP").reply([b"queue", b"made up"])
    with client(redis_server) as one:
        assert one.blpop(["queue"]) == (b"queue", b"made up")


def test_transactions_have_the_answers_of_rules_in_them(redis_server: RedisServer) -> None:
    redis_server.data["k"] = b"v"
    rule = redis_server.when("GET", "k").reply(b"other", times=1)
    with client(redis_server) as one:
        assert one.pipeline().set("n", 1).get("k").get("k").incr("n").execute() == [True, b"other", b"v", 2]
        rule.reply(error="TRYAGAIN later")
        redis_server.when("INCRBY").reply(error="OOM command not allowed when used memory > 'maxmemory'.")
        with pytest.raises(redis.ResponseError):
            one.pipeline().set("n", 5).incr("n").execute()
        assert one.get("n") == b"2"


def test_a_watched_key_that_changes_ends_the_transaction(redis_server: RedisServer) -> None:
    with client(redis_server) as one:
        with one.pipeline() as pipe:
            pipe.watch("k")
            redis_server.data["k"] = b"changed"
            pipe.multi()
            pipe.set("k", b"mine")
            with pytest.raises(redis.WatchError):
                pipe.execute()
        assert one.get("k") == b"changed"


@pytest.mark.parametrize("protocol", [2, 3])
def test_channels_and_patterns_and_shards(redis_server: RedisServer, protocol: int) -> None:
    with client(redis_server, protocol=protocol) as one, one.pubsub() as listener:
        listener.subscribe("news")
        listener.psubscribe("n*")
        listener.ssubscribe("shard")
        confirmed = [listener.get_message(timeout=30) for _ in range(3)]
        assert [message["type"] for message in confirmed if message] == ["subscribe", "psubscribe", "ssubscribe"]
        assert redis_server.requests[-1].connection.subscriptions == 3
        assert one.publish("news", "hello") == 2
        assert one.spublish("shard", "there") == 1
        messages = [listener.get_message(timeout=30) for _ in range(3)]
        assert [(m["type"], m["channel"], m["data"]) for m in messages if m] == [
            ("message", b"news", b"hello"),
            ("pmessage", b"news", b"hello"),
            ("smessage", b"shard", b"there"),
        ]
        listener.unsubscribe()
        assert (listener.get_message(timeout=30) or {})["type"] == "unsubscribe"


def test_who_listens_may_say_anything_with_resp3_alone(redis_server: RedisServer) -> None:
    with connect(redis_server) as sock:
        sock.sendall(command("SUBSCRIBE", "c") + command("GET", "k"))
        assert read_exactly(sock, 30).startswith(b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n")
        assert sock.recv(1000).startswith(b"-ERR only (P)SUBSCRIBE")
        sock.sendall(command("HELLO", 3))
    with client(redis_server, protocol=3) as one:
        sent = one.connection_pool.get_connection()
        sent.send_command("SUBSCRIBE", "c")
        assert sent.read_response(push_request=True) == [b"subscribe", b"c", 1]
        sent.send_command("GET", "k")
        assert sent.read_response() is None


REDIS_7 = """
    id addr laddr fd name age idle flags db sub psub ssub multi watch qbuf qbuf-free argv-mem multi-mem rbs rbp obl
    oll omem tot-mem events cmd user redir resp lib-name lib-ver
"""
"""Fields of a client's line, see CLIENT LIST in Redis's documentation."""


def test_clients_can_be_listed_killed_and_woken(redis_server: RedisServer) -> None:
    woken: list[Any] = []
    with client(redis_server, client_name="a") as one, client(redis_server, client_name="b") as two:
        one.ping()
        two.ping()
        names = {each["name"]: each for each in one.client_list()}
        assert set(names) == {"a", "b"}
        assert names["a"]["addr"] == "{}:{}".format(*redis_server.connections[0].client_address)
        assert set(REDIS_7.split()) <= names["a"].keys()
        thread = threading.Thread(target=lambda: woken.append(two.blpop(["none"], timeout=30)))
        thread.start()
        redis_server.wait_for(lambda server: server.requests[-1].command == "BLPOP")
        assert one.client_unblock(int(names["b"]["id"]))
        thread.join(10)
        assert woken == [None]
        assert one.client_kill_filter(_id=names["b"]["id"]) == 1
        redis_server.wait_for(lambda server: len(server.open_connections) == 1)
        assert redis_server.connections[1].closed_by == "server"
        assert one.client_info()["name"] == "a"


def test_scripts_run_and_one_without_an_end_is_stopped(redis_server: RedisServer) -> None:
    with client(redis_server) as one:
        script = one.register_script("redis.call('set', KEYS[1], ARGV[1]) return redis.call('get', KEYS[1])")
        assert script(keys=["k"], args=["v"]) == b"v"
        with pytest.raises(redis.ResponseError, match="has had its time"):
            one.eval("while true do pcall(function() while true do end end) end", 0)
        assert script(keys=["k"], args=["w"]) == b"w"


def test_over_tls_and_on_a_unix_socket(netmocks: Netmocks, tmp_path: Any) -> None:
    secure = netmocks.rediss(data={"k": b"v"})
    assert secure.url.startswith("rediss://")
    with redis.Redis.from_url(secure.url, ssl_ca_certs=secure.ca.cert_file) as one:
        assert one.get("k") == b"v"
    server = netmocks.redis(path=tmp_path / "r.sock", data={"k": b"v"})
    with client(server) as one:
        assert one.get("k") == b"v"
        assert one.client_info()["addr"].startswith("unix")
