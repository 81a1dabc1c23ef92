"""Commands about clients: who they are, what they call themselves, which there are."""

from __future__ import annotations

from typing import Any

from pytest_netmocks import clock
from pytest_netmocks.protocols.redis.library import Engine, Refusal
from pytest_netmocks.protocols.redis.registry import OK, number, own, text
from pytest_netmocks.protocols.redis.store import version_text


@own("auth", 1, 2)
def auth(engine: Engine, *given: bytes) -> Any:
    """AUTH [username] password."""
    user, password = ("default", given[0]) if len(given) == 1 else (text(given[0]), given[1])
    if not engine.log_in(user, text(password)):
        raise Refusal("WRONGPASS invalid username-password pair or user is disabled.")
    return OK


@own("hello", 0)
def hello(engine: Engine, *given: bytes) -> Any:
    """HELLO [protover [AUTH username password] [SETNAME clientname]]."""
    version = engine.protocol
    rest = list(given)
    if rest:
        version = number(rest.pop(0), "ERR Protocol version is not an integer or out of range")
        if version not in (2, 3):
            raise Refusal("NOPROTO unsupported protocol version")
    name = None
    while rest:
        option = rest.pop(0).upper()
        if option == b"AUTH" and len(rest) >= 2:
            auth(engine, rest.pop(0), rest.pop(0))
        elif option == b"SETNAME" and rest:
            name = client_name(rest.pop(0))
        else:
            raise Refusal(f"ERR Syntax error in HELLO option '{text(option).lower()}'")
    if not engine.logged_in and engine.store.must_log_in:
        raise Refusal(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
            "<user> <pass> option can be used to authenticate the client and select the RESP protocol version at the "
            "same time"
        )
    engine.protocol = version
    if name is not None:
        engine.name = name
    return {
        b"server": b"redis",
        b"version": version_text().encode(),
        b"proto": version,
        b"id": engine.number,
        b"mode": b"cluster" if engine.store.cluster else b"standalone",
        b"role": b"replica" if engine.store.read_only else b"master",
        b"modules": [],
    }


@own("quit", 0, at_once=True)
def quit_(engine: Engine, *given: bytes) -> Any:
    """QUIT."""
    engine.on_kill()
    return OK


def client_name(word: bytes) -> str:
    """What a client may call itself. Raises `Refusal`."""
    if any(not 33 <= sign <= 126 for sign in word):
        raise Refusal("ERR Client names cannot contain spaces, newlines or special characters.")
    return text(word)


@own("client setname", 1, 1)
def set_name(engine: Engine, name: bytes) -> Any:
    """CLIENT SETNAME."""
    engine.name = client_name(name)
    return OK


@own("client getname", 0, 0)
def get_name(engine: Engine) -> Any:
    """CLIENT GETNAME."""
    return engine.name.encode() or None


@own("client getredir", 0, 0)
def get_redirection(engine: Engine) -> Any:
    """CLIENT GETREDIR: nobody tracks."""
    return -1


def described(engine: Engine) -> str:
    """A client's line of CLIENT LIST."""
    server = engine.store.server
    kinds = (server.subscribers, server.psubscribers, server.ssubscribers)
    channels, patterns, shards = (sum(engine in clients for clients in kind.values()) for kind in kinds)
    name, version = engine.library
    address, local = engine.addresses
    now = clock.wall()
    states = {"P": engine.subscriptions, "b": engine.waits, "x": engine.in_transaction}
    flags = "".join(flag for flag, is_so in states.items() if is_so)
    facts = {
        "id": engine.number,
        "addr": address,
        "laddr": local,
        "fd": engine.number + 7,
        "name": engine.name,
        "age": int(now - engine.since),
        "idle": int(now - engine.latest),
        "flags": flags or "N",
        "db": engine.db,
        "sub": channels,
        "psub": patterns,
        "ssub": shards,
        "multi": engine.queued,
        "watch": engine.watched,
        "qbuf": 0,
        "qbuf-free": 0,
        "argv-mem": 0,
        "multi-mem": 0,
        "rbs": 1024,
        "rbp": 0,
        "obl": 0,
        "oll": 0,
        "omem": 0,
        "tot-mem": 0,
        "events": "r",
        "cmd": text(engine.said).lower() or "NULL",
        "user": engine.user,
        "redir": -1,
        "resp": engine.protocol,
        "lib-name": name,
        "lib-ver": version,
    }
    return " ".join(f"{field}={value}" for field, value in facts.items())


@own("client info", 0, 0)
def client_info(engine: Engine) -> Any:
    """CLIENT INFO."""
    return f"{described(engine)}\n".encode("utf-8", "surrogateescape")


@own("client list", 0)
def client_list(engine: Engine, *given: bytes) -> Any:
    """CLIENT LIST [TYPE type] [ID id ...]."""
    engines = engine.store.clients
    if given and given[0].upper() == b"TYPE" and len(given) == 2:
        kind = given[1].lower()
        if kind not in (b"normal", b"master", b"replica", b"slave", b"pubsub"):
            raise Refusal(f"ERR Unknown client type '{text(given[1])}'")
        engines = [one for one in engines if (b"pubsub" if one.subscriptions else b"normal") == kind]
    elif given and given[0].upper() == b"ID" and len(given) > 1:
        wanted = {number(word, "ERR Invalid client ID") for word in given[1:]}
        engines = [one for one in engines if one.number in wanted]
    elif given:
        raise Refusal("ERR syntax error")
    return "".join(f"{described(one)}\n" for one in engines).encode("utf-8", "surrogateescape")
