"""Commands about the server itself, and those that fakeredis has not, or not as Redis has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_netmocks import clock
from pytest_netmocks.protocols.redis import catalog, library
from pytest_netmocks.protocols.redis.library import Engine, Refusal
from pytest_netmocks.protocols.redis.registry import OK, number, one_of, own, seconds, text
from pytest_netmocks.protocols.redis.store import version_text


@own("info", 0)
def info(engine: Engine, *given: bytes) -> Any:
    """INFO [section ...]."""
    wanted = {text(word).lower() for word in given} or {"default"}
    everything = not wanted.isdisjoint({"default", "all", "everything"})
    parts = [
        f"# {section.capitalize()}\r\n" + "".join(f"{name}:{value}\r\n" for name, value in facts.items())
        for section, facts in _facts(engine).items()
        if everything or section in wanted
    ]
    return "\r\n".join(parts).encode("utf-8", "surrogateescape")


def _facts(engine: Engine) -> dict[str, Mapping[str, object]]:
    store = engine.store
    channels, patterns = store.channels()
    up = int(clock.wall() - store.since)
    keyspace = {f"db{db}": f"keys={keys},expires={expires},avg_ttl=0" for db, (keys, expires) in store.sizes().items()}
    return {
        "server": {
            "redis_version": version_text(),
            "redis_mode": "cluster" if store.cluster else "standalone",
            "os": "pytest-netmocks",
            "arch_bits": 64,
            "run_id": store.run_id,
            "tcp_port": engine.addresses[1].rpartition(":")[2],
            "uptime_in_seconds": up,
            "uptime_in_days": up // 86400,
        },
        "clients": {
            "connected_clients": len(store.clients),
            "blocked_clients": len(store.waiting),
            "maxclients": 10000,
            "pubsub_clients": sum(bool(one.subscriptions) for one in store.clients),
        },
        "memory": {"used_memory": 0, "maxmemory": 0, "maxmemory_policy": "noeviction"},
        "persistence": {"loading": 0, "rdb_bgsave_in_progress": 0, "aof_enabled": 0},
        "stats": {
            "total_commands_processed": store.commands,
            "pubsub_channels": channels,
            "pubsub_patterns": patterns,
        },
        "replication": {"role": "slave" if store.read_only else "master", "connected_slaves": 0},
        "cpu": {"used_cpu_sys": "0.000000", "used_cpu_user": "0.000000"},
        "modules": {},
        "errorstats": {},
        "cluster": {"cluster_enabled": int(store.cluster is not None)},
        "keyspace": keyspace,
    }


@own("role", 0, 0)
def role(engine: Engine) -> Any:
    """ROLE."""
    if engine.store.read_only:
        return [b"slave", b"127.0.0.1", 6379, b"connected", 0]
    return [b"master", 0, []]


@own("config get", 1)
def config_get(engine: Engine, *patterns: bytes) -> Any:
    """CONFIG GET: what was set, and a few that clients ask for."""
    known = {**_CONFIG, **{text(name).lower(): text(value) for name, value in engine.store.config.items()}}
    wanted = [library.glob(pattern.lower()) for pattern in patterns]
    names = [name for name in known if any(pattern.match(name.encode()) for pattern in wanted)]
    return {name.encode(): known[name].encode() for name in names}


_CONFIG = {
    "hash-max-listpack-entries": "128",
    "hash-max-listpack-value": "64",
    "latency-monitor-threshold": "0",
    "lua-time-limit": "5000",
    "port": "0",
    "slowlog-log-slower-than": "10000",
    "slowlog-max-len": "128",
    "maxmemory": "0",
    "maxmemory-policy": "noeviction",
    "databases": "16",
    "appendonly": "no",
    "save": "",
    "timeout": "0",
    "maxclients": "10000",
    "notify-keyspace-events": "",
    "requirepass": "",
    "proto-max-bulk-len": "536870912",
}


@own("config resetstat", 0, 0)
def config_resetstat(engine: Engine) -> Any:
    """CONFIG RESETSTAT."""
    engine.store.commands = 0
    return OK


@own("replicaof", 2, 2)
@own("slaveof", 2, 2)
def replicaof(engine: Engine, host: bytes, port: bytes) -> Any:
    """REPLICAOF: of nobody, it takes writes; of somebody, it refuses them, and has what it has."""
    engine.store.read_only = (host.upper(), port.upper()) != (b"NO", b"ONE")
    if engine.store.read_only:
        number(port, "ERR Invalid master port")
    return OK


@own("monitor", 0, 0)
def monitor(engine: Engine) -> Any:
    """MONITOR."""
    engine.store.monitors[engine] = None
    return OK


def _only_reading(engine: Engine, name: str, words: tuple[bytes, ...]) -> Any:
    engine.only_reads = True
    try:
        return engine.run(name, *words)
    finally:
        engine.only_reads = False


@own("eval_ro", 2)
def eval_ro(engine: Engine, *words: bytes) -> Any:
    """EVAL_RO."""
    return _only_reading(engine, "eval", words)


@own("evalsha_ro", 2)
def evalsha_ro(engine: Engine, *words: bytes) -> Any:
    """EVALSHA_RO."""
    return _only_reading(engine, "evalsha", words)


@own("lolwut", 0)
def lolwut(engine: Engine, *given: bytes) -> Any:
    """LOLWUT."""
    return f"Redis ver. {version_text()}\n".encode()


@own("acl deluser", 1)
def acl_deluser(engine: Engine, *users: bytes) -> Any:
    """ACL DELUSER: how many there were."""
    acl = engine.store.server.acl
    if b"default" in users:
        raise Refusal("ERR The 'default' user cannot be removed")
    gone = [user for user in users if user in acl.get_users()]
    for user in gone:
        acl.del_user(user)
    return len(gone)


@own("bitfield_ro", 1)
def bitfield_ro(engine: Engine, key: bytes, *given: bytes) -> Any:
    """BITFIELD_RO."""
    if any(word.upper() in (b"SET", b"INCRBY", b"OVERFLOW") for word in given[::3]):
        raise Refusal("ERR BITFIELD_RO only supports the GET subcommand")
    return engine.run("bitfield", key, *given)


@own("config rewrite", 0, 0)
@own("script kill", 0, 0)
@own("slowlog reset", 0, 0)
@own("latency reset", 0)
def accept(engine: Engine, *given: bytes) -> Any:
    """What changes nothing here."""
    return OK


@own("slowlog", 1)
def slowlog(engine: Engine, command: bytes, *given: bytes) -> Any:
    """SLOWLOG GET, LEN, RESET: nothing is slow."""
    return one_of("slowlog", command, {b"GET": [], b"LEN": 0, b"RESET": OK})


@own("latency", 1)
def latency(engine: Engine, command: bytes, *given: bytes) -> Any:
    """LATENCY: nothing is late."""
    return one_of("latency", command, {b"LATEST": [], b"HISTORY": [], b"RESET": 0, b"DOCTOR": b"I have nothing."})


@own("module", 1)
def module(engine: Engine, command: bytes, *given: bytes) -> Any:
    """MODULE LIST: there are none."""
    return one_of("module", command, {b"LIST": []})


@own("memory", 1)
def memory(engine: Engine, command: bytes, *given: bytes) -> Any:
    """MEMORY USAGE: what the key and its value take on the wire, about."""
    if command.upper() == b"USAGE" and given:
        size = engine.size_of(given[0])
        return None if size is None else 48 + len(given[0]) + size
    return one_of("memory", command, {b"DOCTOR": b"I have nothing.", b"PURGE": OK})


@own("wait", 2, 2)
def wait(engine: Engine, replicas: bytes, timeout: bytes) -> Any:
    """WAIT: there are no replicas, so nobody waits for them."""
    number(replicas)
    number(timeout, "ERR timeout is not an integer or out of range")
    return 0


@own("touch", 1)
def touch(engine: Engine, *keys: bytes) -> Any:
    """TOUCH."""
    return sum(engine.size_of(key) is not None for key in keys)


@own("command docs", 0)
def command_docs(engine: Engine, *names: bytes) -> Any:
    """COMMAND DOCS: none."""
    return {}


@own("command list", 0)
def command_list(engine: Engine, *given: bytes) -> Any:
    """COMMAND LIST."""
    return [name.lower().encode() for name in sorted(catalog.known_commands())]


@own("command getkeys", 1)
def command_getkeys(engine: Engine, *words: bytes) -> Any:
    """COMMAND GETKEYS."""
    keys = catalog.keys_in(words)
    if not keys:
        raise Refusal("ERR The command has no key arguments")
    return keys


@own("object", 1)
def object_(engine: Engine, command: bytes, *given: bytes) -> Any:
    """OBJECT ENCODING, REFCOUNT, IDLETIME, FREQ."""
    if len(given) != 1:
        raise Refusal("ERR wrong number of arguments for 'object' command")
    if engine.size_of(given[0]) is None:
        return None
    encodings = {"string": b"raw", "list": b"quicklist", "set": b"hashtable", "zset": b"skiplist"}
    encoding = encodings.get(library.plain(engine.run("type", given[0])).text, b"hashtable")
    return one_of("object", command, {b"ENCODING": encoding, b"REFCOUNT": 1, b"IDLETIME": 0, b"FREQ": 0})


@own("blmove", 5, 5)
def blmove(engine: Engine, source: bytes, destination: bytes, where: bytes, to: bytes, timeout: bytes) -> Any:
    """BLMOVE: of fakeredis it does not wait for a list that is not there."""
    return engine.wait_for(seconds(timeout), lambda: engine.run("lmove", source, destination, where, to))


@own("lmpop", 3)
def lmpop(engine: Engine, *words: bytes) -> Any:
    """LMPOP: of fakeredis it leaves empty lists."""
    popped = engine.run("lmpop", *words)
    if popped is not None:
        engine.drop_if_empty(popped[0])
    return popped


@own("blmpop", 4)
def blmpop(engine: Engine, timeout: bytes, *words: bytes) -> Any:
    """BLMPOP."""
    return engine.wait_for(seconds(timeout), lambda: lmpop(engine, *words))
