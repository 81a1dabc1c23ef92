"""CLUSTER: a cluster of one node that has all slots, and of those that its rules send clients to, as its replicas."""

from __future__ import annotations

import hashlib
from typing import Any

from pytest_netmocks.protocols.redis.catalog import SLOTS, slot_of
from pytest_netmocks.protocols.redis.library import Engine, Refusal
from pytest_netmocks.protocols.redis.registry import OK, number, one_of, own


@own("cluster", 1)
def cluster(engine: Engine, command: bytes, *given: bytes) -> Any:
    """CLUSTER: one node that has all slots, where the server was made so."""
    store = engine.store
    if store.cluster is None:
        raise Refusal("ERR This instance has cluster support disabled")
    nodes = [(host, port, _id(store.run_id, host, port, number)) for number, (host, port) in enumerate(store.cluster)]
    this = nodes[0][2].encode()
    name = command.upper()
    if name == b"KEYSLOT" and len(given) == 1:
        return slot_of(given[0])
    if name == b"COUNTKEYSINSLOT" and len(given) == 1:
        return sum(slot_of(key) == number(given[0]) for key in engine.run("keys", b"*"))
    if name == b"GETKEYSINSLOT" and len(given) == 2:
        return [key for key in engine.run("keys", b"*") if slot_of(key) == number(given[0])][: number(given[1])]
    if name == b"REPLICAS" and len(given) == 1:
        return [line.encode() for line in _lines_of(nodes)[1:]]
    facts = {"cluster_state": "ok", "cluster_slots_assigned": SLOTS, "cluster_slots_ok": SLOTS, "cluster_size": 1}
    facts |= {"cluster_known_nodes": len(nodes), "cluster_current_epoch": 1, "cluster_my_epoch": 1}
    answers = {
        b"SLOTS": [[0, SLOTS - 1, *([host.encode(), port, node.encode(), []] for host, port, node in nodes)]],
        b"SHARDS": [{b"slots": [0, SLOTS - 1], b"nodes": [_shard(*node, first=node is nodes[0]) for node in nodes]}],
        b"NODES": "".join(f"{line}\n" for line in _lines_of(nodes)).encode(),
        b"INFO": "".join(f"{fact}:{value}\r\n" for fact, value in facts.items()).encode(),
        b"MYID": this,
    }
    return one_of("cluster", command, answers)


def _id(run_id: str, host: str, port: int, number: int) -> str:
    if not number:
        return run_id
    return hashlib.sha1(f"{host}:{port}".encode(), usedforsecurity=False).hexdigest()


def _lines_of(nodes: list[tuple[str, int, str]]) -> list[str]:
    """What CLUSTER NODES has of them."""
    host, port, first = nodes[0]
    lines = [f"{first} {host}:{port}@{port + 10000} myself,master - 0 0 1 connected 0-{SLOTS - 1}"]
    return lines + [
        f"{node} {host}:{port}@{port + 10000} slave {first} 0 0 1 connected" for host, port, node in nodes[1:]
    ]


def _shard(host: str, port: int, node: str, *, first: bool) -> dict[bytes, Any]:
    where = {b"id": node.encode(), b"port": port, b"ip": host.encode(), b"endpoint": host.encode()}
    return where | {b"role": b"master" if first else b"replica", b"replication-offset": 0, b"health": b"online"}


@own("asking", 0, 0)
@own("readonly", 0, 0)
@own("readwrite", 0, 0)
def of_a_cluster(engine: Engine) -> Any:
    """What clients of a cluster say, and what makes no difference where there is one node."""
    if engine.store.cluster is None:
        raise Refusal("ERR This instance has cluster support disabled")
    return OK
