"""`Desk`: what a session asks of its server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from pytest_netmocks.limits import Limit
from pytest_netmocks.protocols.redis.records import RedisConnection
from pytest_netmocks.protocols.redis.rules import RedisRule
from pytest_netmocks.protocols.redis.store import Store
from pytest_netmocks.records.journal import Journal
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.servers.tasks import Tasks

T = TypeVar("T")


class Desk(Protocol):
    """A server as its sessions know it."""

    store: Store
    journal: Journal
    tasks: Tasks
    rules: RuleBook[RedisRule]
    greetings: RuleBook[RedisRule]
    limits: list[Limit]

    def login_failed(self, connection: RedisConnection) -> None:
        """In the loop, before the answer: the client's credentials are wrong."""

    def run_in_loop(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run the function in the servers' loop and wait for it; its result or its exception."""
