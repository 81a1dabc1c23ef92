"""`HttpDesk`: what a session asks of its server: which rule, mount or else answers a request, and with which faults."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Literal

from pytest_netmocks.faults.base import Fault, FramesFault
from pytest_netmocks.faults.malformed_chunk import MalformedChunk
from pytest_netmocks.limits import By, Kind, Limit
from pytest_netmocks.link.link import Link
from pytest_netmocks.protocols.h2 import frames
from pytest_netmocks.protocols.http.limits import RefusingRule
from pytest_netmocks.protocols.http.limits import fields as limit_fields
from pytest_netmocks.protocols.http.lines import KNOWN
from pytest_netmocks.protocols.http.match import HttpMatch
from pytest_netmocks.protocols.http.mounts import Mount
from pytest_netmocks.protocols.http.rules import HttpAnswer, HttpRule, Matching, Serve
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.rules.base import Chosen, Verdict, alone
from pytest_netmocks.rules.base import decide as decide_rules
from pytest_netmocks.rules.book import RuleBook
from pytest_netmocks.servers.backpressure import Reading
from pytest_netmocks.servers.greeting import GreetingServer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_netmocks.link.wire import Wire
    from pytest_netmocks.names.targets import Target
    from pytest_netmocks.protocols.tunnel.destinations import Found
    from pytest_netmocks.protocols.ws.endpoint import WsOptions
    from pytest_netmocks.protocols.ws.route import WsRoute

MAX_BODY = 64 << 20
"""Bytes of a request's body unless told otherwise."""

TOLD = 1000
"""Characters of a target that an answer repeats."""

COMPARED = 100
"""Characters of a path that is no rule's, and of the rules' paths, that are compared to find the nearest."""


def fits_frames(fault: Fault) -> bool:
    """Whether a fault can strike an exchange of HTTP/2, which has no chunks."""
    return not isinstance(fault, MalformedChunk)


def fits_no_frames(fault: Fault) -> bool:
    """Whether it can strike one of HTTP/1, which has no frames."""
    return not isinstance(fault, FramesFault)


class HttpDesk:
    """Made by a server and given to its sessions, which know nothing else of it."""

    def __init__(self, server: GreetingServer) -> None:
        self._server = server
        self.journal = server.journal
        self.tasks = server.tasks
        self.max_body = MAX_BODY
        self.expect_continue: bool | float = True
        self.rules: RuleBook[HttpRule] = server.book()
        self.mounts: list[Mount] = []
        self.limits: list[Limit] = []
        self.versions = frozenset({"1.1", "2"})
        """The versions of HTTP that are spoken."""
        self.max_concurrent_streams = frames.STREAMS
        self.max_requests: int | None = None
        """How many requests a connection may have."""
        self._limits_made = 0
        self.strikes_uploads = False
        """Whether some rule has faults on the bodies of requests."""
        self.looks_at_bodies = False
        """Whether some rule looks at the body of a request."""
        self.calls_to_match = False
        """Whether some rule asks a user's function."""
        self.may_answer_early = False
        """Whether some rule, or an application, does not wait for the body."""

    # What the server and its rules ask

    def add(self, match: HttpMatch) -> HttpRule:
        """Begin a rule."""
        self.looks_at_bodies = self.looks_at_bodies or not match.on_head
        self.calls_to_match = self.calls_to_match or match.calls
        return self.rules.add(HttpRule(self, match))

    def look_again(self) -> None:
        """Some rules have gone."""
        self.looks_at_bodies = any(not rule.match.on_head for rule in self.rules)
        self.calls_to_match = any(rule.match.calls for rule in self.rules)
        self.strikes_uploads = any(rule.uploads for rule in self.rules)

    @property
    def requests(self) -> list[HttpRequest]:
        """Every request so far, oldest first."""
        return self._server.requests

    def make_limit(self, amount: int, per: float, kind: Kind, by: By, name: str | None, status: int) -> Limit:
        """What limits the server or one of its rules."""
        if name is None:
            self._limits_made += 1
            name = "default" if self._limits_made == 1 else f"default-{self._limits_made}"
        limit = Limit(amount, per, kind=kind, by=by, name=name)
        limit.refusing = RefusingRule(self, limit, status)
        self._server.catch_up()
        return limit

    def make_route(self, options: WsOptions) -> WsRoute:
        """What speaks WebSocket where a rule matches."""
        from pytest_netmocks.protocols.ws.route import WsRoute  # only where there is one

        return WsRoute(self._server, **options)

    def make_tunnel(self, targets: Sequence[Target]) -> Serve:
        """What connects there where a rule matches."""
        from pytest_netmocks.protocols.http.tunnel import Tunnel  # only where there is one

        found = [target.pair for target in targets]

        async def find(_: HttpRequest) -> Found:
            return found

        return Tunnel(find, self.keep_wire).serve

    def keep_wire(self, wire: Wire) -> Wire:
        """Know the wire to a far end until it is closed."""
        return self._server.keep_wire(wire)

    # What a session asks

    def greet(self, link: Link, connection: Connection, reading: Reading) -> None:
        """Give the greeting, if there is one; nothing is read before."""
        self._server.greet(link, connection, reading)

    def begins_in_frames(self, link: Link) -> bool:
        """Whether a new connection is one of HTTP/2 from its first byte."""
        if len(self.versions) == 1:
            return "2" in self.versions
        session = link.get_extra_info("ssl_object")
        return session is not None and session.selected_alpn_protocol() == "h2"

    def matching(self, request: HttpRequest) -> Matching:
        """The rules that match the request, the newest first, with the path's parameters; in any thread."""
        found = []
        for rule in reversed(self.rules):
            params = rule.match.match(request)
            if params is not None:
                found.append((rule, params))
        return found

    def decide(self, request: HttpRequest, matching: Matching) -> Verdict[HttpRule]:
        """Who answers the request, and with which faults."""
        if len(matching) == 1 and not self.limits and self.rules.exchanges is None:
            rule, params = matching[0]
            if rule.only_answers:  # by far the most
                request.path_params = params
                request.answered_by = rule.label
                request.rules = (rule,)
                return alone(rule)
        rules = [rule for rule, _ in matching]
        chosen = () if self.rules.exchanges is None else self._chosen(request)
        fits = fits_frames if request.http_version == "2" else fits_no_frames
        verdict = decide_rules(rules, request.connection, limits=self.limits, chosen=chosen, fits=fits)
        if verdict.quotas:
            request.more_fields = limit_fields(verdict.quotas)
        striking = verdict.striking
        first = verdict.answering or striking
        if first is not None:
            home = verdict.home or first
            if matching and matching[0][0] is home:
                request.path_params = matching[0][1]
            else:
                request.path_params = next((params for rule, params in matching if rule is home), {})
            request.answered_by = first.label
            request.rules = (home,) if striking is None or striking is home else (home, striking)
        return verdict

    def _chosen(self, request: HttpRequest) -> Chosen:
        """The server's faults that strike the request; they are asked once, if need be when its head is there."""
        exchanges = self.rules.exchanges
        if exchanges is None:
            return ()
        if request.chosen is None:
            request.chosen = exchanges.choose(request.connection)
        return request.chosen

    def _instead(self, request: HttpRequest) -> HttpRule | None:
        """What answers in the place of whatever is due, by the request's head."""
        answers = [injection.stand_in for injection, _ in self._chosen(request) if injection.stand_in is not None]
        return answers[-1] if answers else None

    def answers_early(self, request: HttpRequest) -> Literal["rule", "mount"] | None:
        """What answers without waiting for the body: a rule that says so, an application that no rule is before."""
        if not self.may_answer_early:
            return None
        rule, sure = self._instead(request), True
        if rule is None:
            rule, sure = self.by_head(request)
        if rule is not None or not sure:
            answer = rule.next_answer if rule is not None else None
            return "rule" if answer is not None and answer.early else None
        mount = self._mount_of(request)
        return "mount" if mount is not None and mount.streams else None

    def by_head(self, request: HttpRequest) -> tuple[HttpRule | None, bool]:
        """The rule that will answer, by the request's head, and whether that is sure: one may look at the body."""
        for rule in reversed(self.rules):
            if rule.used_up or not rule.match.takes(request.method) or rule.match.path.match(request.route) is None:
                continue
            if not rule.match.on_head:
                return None, False  # it cannot be asked yet, and may win once the body is there
            if rule.answers and rule.match.match(request) is not None:
                return rule, True
        return None, True

    def when_to_continue(self, request: HttpRequest) -> bool | float:
        """When the client of a request is to be asked for its body."""
        rule = self._instead(request)
        if rule is None:
            rule, _ = self.by_head(request)
        answer = rule.next_answer if rule is not None else None
        return self.expect_continue if answer is None or answer.asks is None else answer.asks

    def met_by_head(self, request: HttpRequest) -> None:
        """Say whose a request is that never came as a whole, if its head tells."""
        rule, _ = self.by_head(request)
        request.rules = (rule,) if rule is not None else ()

    def _mount_of(self, request: HttpRequest) -> Mount | None:
        return next((mount for mount in reversed(self.mounts) if mount.has(request.route)), None)

    def fallback(self, request: HttpRequest) -> HttpAnswer | Serve:
        """What answers when no rule does."""
        mount = self._mount_of(request)
        if mount is not None:
            return mount.serve
        own = self.endpoint(request)
        if own is not None:
            return own
        answer = self.not_found(request)
        # Clients throw such an answer away; in the report of the failing test it is what one wants to know.
        text = f"{answer.status}: " + "\n".join(answer.body.decode().splitlines()[:6])
        if request.answered_by:  # by a fault
            self._server.journal.note(request.connection.id, text)
        else:
            self._server.unmatched(request.connection, text, self.rules)
        return HttpAnswer(self.told(answer, request), 0.0, False)

    def endpoint(self, request: HttpRequest) -> HttpAnswer | None:
        """What the server has of its own below rules and mounts: nothing, here."""
        return None

    def told(self, response: Response, request: HttpRequest) -> Response:
        """The answer where there is nothing, in the manner of the server."""
        return response

    def not_found(self, request: HttpRequest) -> Response:
        target = request.target
        asked = f"{request.method} {target if len(target) <= TOLD else target[:TOLD] + '...'}"
        allowed: set[str] = set()
        anything = False
        for rule in self.rules:
            if rule.match.path.match(request.route) is not None:
                methods = rule.match.allowed
                anything = anything or (methods is None and not rule.used_up)
                allowed |= methods if methods is not None and rule.answers else set()
        if allowed and not anything and request.method not in allowed and request.method in KNOWN:
            text = f"{asked}: allowed are {', '.join(sorted(allowed))}\n"
            return Response(405, text=text, headers={"Allow": ", ".join(sorted(allowed))})
        if request.method not in KNOWN:  # RFC 9110, section 9.1
            return Response(501, text=f"{asked}: the method {request.method} is not implemented, no rule takes it\n")
        lines = [f"no rule matches {asked}"]
        for rule in self._nearest(request.path):
            lines.append(f"  {rule.match.short}  {rule.label}{' (used up)' if rule.used_up else ''}")
            if rule.match.takes(request.method) and rule.match.path.match(request.route) is not None:
                lines += [f"    {difference}" for difference in rule.match.differences(request, ask=False)]
        lines += [f"  mounted at {mount.at or '/'}" for mount in self.mounts]
        if not self.rules and not self.mounts:
            lines.append("  there are no rules")
        return Response(404, text="\n".join(lines) + "\n")

    def _nearest(self, path: str) -> list[HttpRule]:
        """The five rules whose paths are most like this one, as far as that is worth the time."""
        if not self.rules:
            return []
        path = path[:COMPARED]
        likely = heapq.nlargest(20, self.rules, lambda rule: _alike(rule.match.path.text, path))
        import difflib  # only for a message

        compared = difflib.SequenceMatcher(None, "", path)

        def likeness(rule: HttpRule) -> float:
            compared.set_seq1(rule.match.path.text[:COMPARED])
            return compared.ratio()

        return heapq.nlargest(5, likely, likeness)


def _alike(text: str, path: str) -> int:
    """How many characters both begin with, and how many both end with."""
    return _common(text, path) + _common(text[::-1], path[::-1])


def _common(one: str, other: str) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
