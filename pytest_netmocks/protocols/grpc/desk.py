"""`GrpcDesk`: what a call asks of its server: which rule or servicer answers it, and with which faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pytest_netmocks import check
from pytest_netmocks.limits import By, Kind, Limit
from pytest_netmocks.protocols.grpc.frames import MAX_MESSAGE
from pytest_netmocks.protocols.grpc.health import Health
from pytest_netmocks.protocols.grpc.methods import Handlers, Method, of_protobuf, service_of_protobuf
from pytest_netmocks.protocols.grpc.records import GrpcCall
from pytest_netmocks.protocols.grpc.reflection import Reflection
from pytest_netmocks.protocols.grpc.rules import GrpcRule, Moment, refusing
from pytest_netmocks.protocols.grpc.status import Status
from pytest_netmocks.protocols.h2.frames import STREAMS
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.rules.base import decide as decide_rules
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.servers.stream import StreamServer

T = TypeVar("T")


class GrpcDesk:
    """Made by a server and given to its calls, which know nothing else of it."""

    def __init__(self, server: StreamServer) -> None:
        self._server = server
        self.journal = server.journal
        self.tasks = server.tasks
        self.rules: RuleBook[GrpcRule] = server.book()
        self.limits: list[Limit] = []
        self.handlers = Handlers()
        self.health = Health(self.run_in_loop, lambda: self.handlers.services)
        self.max_message = MAX_MESSAGE
        self.max_streams = STREAMS
        """How many calls a connection may have open at once."""
        self.max_calls: int | None = None
        """How many calls a connection may have."""
        self.reflects = True
        """Whether it answers who asks what there is."""
        self._own = {**self.health.methods, **Reflection(self._services).methods}

    def run_in_loop(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run it in the servers' loop and wait for it; its result or its exception."""
        return self._server.run_in_loop(function, *arguments)

    # What the server and its rules ask

    def make_limit(self, amount: int, per: float, kind: Kind, by: By) -> Limit:
        """What limits all calls, or those of a rule."""
        limit = refusing(self, Limit(amount, per, kind=kind, by=by))
        self._server.catch_up()
        return limit

    def method(self, path: str) -> Method | None:
        """What is known of a method, before anybody calls it."""
        return self.handlers.find(path) or of_protobuf(path)

    def check_method(self, name: str, path: str) -> None:
        """Refuse a method that its service does not have. Raises `ValueError` with the nearest one."""
        service, _, method = path[1:].partition("/")
        known = {path.rpartition("/")[2] for path in self.handlers.registered if path.startswith(f"/{service}/")}
        described = service_of_protobuf(service)
        known |= set(described.methods_by_name) if described is not None else set()
        if known and method != "*" and method not in known:
            raise ValueError(f"{name}: {service} has no method {method!r}{check.nearest(method, known)}")

    def _services(self) -> list[str]:
        return sorted({*self.handlers.services, *(path.split("/")[1] for path in self._own)})

    # What a call asks

    @property
    def asks_functions(self) -> bool:
        """Whether some rule asks a user's function if it matches."""
        return any(rule.calls for rule in self.rules)

    def find(self, call: GrpcCall) -> Method | None:
        """What is known of the method that is called. A user's generic handler may raise."""
        found = self.handlers.find(call.method, call.metadata)
        if found is not None:
            return found
        own = self._own.get(call.method)
        if own is not None and (self.reflects or own.path.startswith("/grpc.health.")):
            return own
        return of_protobuf(call.method)

    def moment(self, call: GrpcCall, method: Method | None) -> Moment:
        """When the call is to be decided over."""
        if not self.rules:  # by far the most
            return "end" if method is not None and method.serve is not None and not method.takes_stream else "head"
        both = method is not None and method.takes_stream and method.gives_stream
        looks = False
        for rule in reversed(self.rules):
            if rule.used_up or rule.never_answers or not rule.matches_head(call):
                continue
            looks = looks or not rule.on_head
            answer = rule.next_answer
            early = answer.before_messages if answer is not None else None
            if not (both if early is None else early):
                return "end"
            if rule.on_head:
                return "message" if looks else "head"
        if method is None or method.serve is None or method.takes_stream:
            return "message" if looks else "head"
        return "end"

    def matching(self, call: GrpcCall) -> list[GrpcRule]:
        """The rules that match the call, the newest first; in any thread."""
        return self.rules.matching(call)

    def decide(self, call: GrpcCall, matching: list[GrpcRule]) -> Verdict[GrpcRule]:
        """Who answers, and with which faults."""
        exchanges = self.rules.exchanges
        if not matching and not self.limits and exchanges is None:
            return Verdict(None, None, [])
        chosen = () if exchanges is None else exchanges.choose(call.connection)
        return decide_rules(matching, call.connection, limits=self.limits, chosen=chosen)

    def unknown(self, call: GrpcCall) -> Status:
        """What is said of a method that nobody has."""
        lines = [f"no rule matches {call.method}"]
        for rule in self.rules:
            why = rule.why_not(call) if rule.takes(call.method) else None
            if why is not None:
                lines += [f"  {rule.label}", f"    {why}"]
        known = {*self.handlers.registered, *(rule.path for rule in self.rules if rule.path is not None)}
        near = check.nearest(call.method, known) if known else ""
        if len(lines) == 1 and not self.rules:
            lines.append("  there are no rules")
        self._server.unmatched(call.connection, "\n".join([lines[0] + near, *lines[1:]]), self.rules)
        return Status("UNIMPLEMENTED", f"{call.method} is not known here{near}")
