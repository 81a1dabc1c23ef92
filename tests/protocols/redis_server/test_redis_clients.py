"""Redis by the clients that people have: asyncio's, a cluster's, queues', and tshark's eyes."""

from __future__ import annotations

import asyncio
from binascii import crc_hqx
from typing import Any

import pytest
import redis
import redis.asyncio
import redis.cluster
import rq
from helpers import program
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from redis_talk import client
from tshark import Capture, recorded

from pytest_netmocks import Netmocks, RedisRequest, RedisServer, sweep
from pytest_netmocks.faults import Reset
from pytest_netmocks.reports import writers


async def test_asyncios_client_pipes_listens_and_waits(redis_server: RedisServer) -> None:
    redis_server.data["k"] = b"v"
    async with redis.asyncio.Redis.from_url(redis_server.url) as one:
        assert await one.get("k") == b"v"
        pipe = one.pipeline()
        pipe.incr("n")
        pipe.incr("n")
        assert await pipe.execute() == [1, 2]
        waiting: asyncio.Future[Any] = asyncio.ensure_future(one.blpop(["queue"], timeout=30))
        await redis_server.async_wait_for(lambda server: server.requests[-1].command == "BLPOP")
        await one.rpush("queue", "a")
        assert await waiting in ((b"queue", b"a"), [b"queue", b"a"])
        async with one.pubsub(ignore_subscribe_messages=True) as listener:
            await listener.subscribe("c")
            await listener.get_message(timeout=60)
            await one.publish("c", "hello")
            assert (await listener.get_message(timeout=10) or {})["data"] == b"hello"
        redis_server.when("GET").reply(error="LOADING Redis is loading the dataset in memory", times=1)
        with pytest.raises(redis.BusyLoadingError):
            await one.get("k")


def node_of(server: RedisServer) -> redis.cluster.RedisCluster:
    return redis.cluster.RedisCluster(host=server.host, port=server.port)


def test_a_clusters_client_goes_where_it_is_told(netmocks: Netmocks) -> None:
    one, other = netmocks.redis(cluster=True, data={"k": b"one"}), netmocks.redis(cluster=True, data={"k": b"other"})
    one.when("GET", "k").ask(other, times=1)
    with node_of(one) as cluster:
        assert cluster.get("k") == b"other"
        assert [request.command for request in other.requests[-2:]] == ["ASKING", "GET"]
        assert cluster.get("k") == b"one"
        one.when("GET", "k").reply(error="TRYAGAIN later", times=1)
        assert cluster.get("k") == b"one"
        one.when("GET", "k").moved(other)
        assert cluster.get("k") == b"other"
    slot = crc_hqx(b"k", 0) % 16384
    moved, asked = (f"-{code} {slot} 127.0.0.1:{other.port}\r\n".encode() for code in ("MOVED", "ASK"))
    assert {moved, asked} <= {request.reply for request in one.requests}


def test_a_cluster_that_is_down_says_so(netmocks: Netmocks) -> None:
    server = netmocks.redis(cluster=True)
    with node_of(server) as cluster:
        server.when("SET").reply(error="CLUSTERDOWN The cluster is down")
        with pytest.raises(redis.exceptions.ClusterDownError):
            cluster.set("k", 1)
    with client(netmocks.redis()) as one, pytest.raises(redis.ResponseError, match="cluster support disabled"):
        one.execute_command("CLUSTER SLOTS")


@pytest.mark.parametrize("to", [5, ("127.0.0.1",), ("127.0.0.1", 0), None])
def test_where_a_slot_has_moved_to_is_a_place(redis_server: RedisServer, to: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"to must be|port must be"):
        redis_server.when("GET").moved(to)


def test_a_retry_meets_a_primary_again_after_a_failover(redis_server: RedisServer) -> None:
    retry = Retry(ConstantBackoff(0.01), 100, (redis.ReadOnlyError,))
    failed = redis_server.fail_over()
    with client(redis_server, retry=retry, retry_on_error=[redis.ReadOnlyError]) as one:

        def in_the_end(request: RedisRequest) -> Any:
            failed.lift()
            return request.usual

        redis_server.when("SET").reply("READONLY not yet", times=2).reply(in_the_end, times=1)
        assert one.set("k", "v")
        with redis_server.fail_over(), pytest.raises(redis.ReadOnlyError):
            client(redis_server).set("k", "w")


def halve(number: int) -> int:
    if number % 2:
        raise ArithmeticError(f"{number} is odd")
    return number // 2


def test_rq_works_off_a_queue(redis_server: RedisServer) -> None:
    with client(redis_server, protocol=3) as connection:
        queue = rq.Queue(connection=connection)
        good, bad = queue.enqueue(halve, 8), queue.enqueue(halve, 7)
        rq.SimpleWorker([queue], connection=connection).work(burst=True)
        assert good.return_value() == 4
        assert bad.is_failed
        assert queue.failed_job_registry.get_job_ids() == [bad.id]


ONCE = "if redis.call('set', KEYS[1], 1, 'NX') then redis.call('decr', KEYS[2]) end"


def shop(*, safe: bool) -> None:
    """Take one of two articles, again if it breaks."""
    from pytest_netmocks import redis as server_of

    with server_of(data={"stock": 2}) as server, client(server) as one:
        for attempt in range(3):
            try:
                if safe:
                    one.eval(ONCE, 2, "order:1", "stock")
                else:
                    one.decr("stock")
                break
            except redis.ConnectionError:
                assert attempt < 2
        assert server.data["stock"] == b"1"


def test_a_sweep_finds_who_takes_two_and_who_takes_one() -> None:
    careless = sweep(lambda: shop(safe=False), Reset(), limit=40)
    assert careless.failures
    careful = sweep(lambda: shop(safe=True), Reset(), limit=40)
    careful.raise_for_failures()


@pytest.mark.on_sockets
@program("tshark")
def test_tshark_reads_what_was_said(netmocks: Netmocks, tmp_path: Any) -> None:
    server = netmocks.redis(data={"k": b"v"})
    with recorded(server) as recording, client(server, protocol=3) as one:
        one.get("k")
        one.hset("h", mapping={"f": 1})
        one.hgetall("h")
        one.pipeline().incr("n").incr("n").execute()
    path = tmp_path / "it.pcapng"
    writers.save(path, [recording])
    capture = Capture(path, f"tcp.port=={server.port},resp")
    assert capture.complaints() == []
    told = capture.run("-Y", "resp", "-T", "fields", "-E", "aggregator=|", "-e", "resp.bulk_string.value")
    for word in ("GET", "HSET", "HGETALL", "EXEC"):
        assert word in told or word.encode().hex() in told, told
