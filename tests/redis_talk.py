"""What the tests of Redis say, as bytes and by redis-py."""

from __future__ import annotations

from typing import Any

import redis
from helpers import connect, read_exactly

from pytest_netmocks import RedisServer


def client(server: RedisServer, **options: Any) -> redis.Redis:
    """redis-py that tries once."""
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    kind = redis.UnixDomainSocketConnection if server.path is not None else None
    given: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "protocol": 2, **options}
    if kind is not None:
        return redis.Redis(unix_socket_path=server.path, **given)
    return redis.Redis(host=server.host, port=server.port, **given)


def command(*words: bytes | str | int) -> bytes:
    """A command as clients send it."""
    given = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(given) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in given)


def said(server: RedisServer, *commands: bytes, size: int) -> bytes:
    """The first bytes of what a new client is answered to these commands, sent at once."""
    with connect(server) as sock:
        sock.sendall(b"".join(commands))
        return read_exactly(sock, size)
