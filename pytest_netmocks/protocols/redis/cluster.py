"""CLUSTER: a cluster of one node, which has all slots."""

from __future__ import annotations

from collections.abc import Mapping
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
    host, port = store.cluster
    node = store.run_id.encode()
    name = command.upper()
    if name == b"KEYSLOT" and len(given) == 1:
        return slot_of(given[0])
    if name == b"COUNTKEYSINSLOT" and len(given) == 1:
        return sum(slot_of(key) == number(given[0]) for key in engine.all_keys())
    if name == b"GETKEYSINSLOT" and len(given) == 2:
        return [key for key in engine.all_keys() if slot_of(key) == number(given[0])][: number(given[1])]
    facts = _lines(
        {"cluster_state": "ok", "cluster_slots_assigned": SLOTS, "cluster_slots_ok": SLOTS, "cluster_known_nodes": 1}
        | {"cluster_size": 1, "cluster_current_epoch": 1, "cluster_my_epoch": 1}
    )
    line = f"{store.run_id} {host}:{port}@{port + 10000} myself,master - 0 0 1 connected 0-{SLOTS - 1}\n"
    where = {b"id": node, b"port": port, b"ip": host.encode(), b"endpoint": host.encode(), b"role": b"master"}
    answers = {
        b"SLOTS": [[0, SLOTS - 1, [host.encode(), port, node, []]]],
        b"SHARDS": [
            {
                b"slots": [0, SLOTS - 1],
                b"nodes": [{**where, b"replication-offset": 0, b"health": b"online"}],
            }
        ],
        b"NODES": line.encode(),
        b"INFO": facts,
        b"MYID": node,
    }
    return one_of("cluster", command, answers)


def _lines(facts: Mapping[str, object]) -> bytes:
    return "".join(f"{name}:{value}\r\n" for name, value in facts.items()).encode()


@own("asking", 0, 0)
@own("readonly", 0, 0)
@own("readwrite", 0, 0)
def of_a_cluster(engine: Engine) -> Any:
    """What clients of a cluster say, and what makes no difference where there is one node."""
    if engine.store.cluster is None:
        raise Refusal("ERR This instance has cluster support disabled")
    return OK
