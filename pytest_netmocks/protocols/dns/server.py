"""`DnsServer`: names that a test gives, rules over questions, UDP and TCP on one port."""

from __future__ import annotations

import base64
import binascii
import concurrent.futures
import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

try:
    from pytest_netmocks.protocols.dns.answering import Question, from_rule, from_zone, read
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] != "dns":
        raise
    raise ImportError("a DNS server needs dnspython: pip install 'pytest-netmocks[dns]'") from None

from pytest_netmocks import clock
from pytest_netmocks.faults.answer import Answer
from pytest_netmocks.faults.base import AnswerFault, DatagramFault, Fault, StreamFault
from pytest_netmocks.link.link import Link, Top
from pytest_netmocks.protocols.dns.records import DnsQuery, Transport
from pytest_netmocks.protocols.dns.rules import DnsAnswer, DnsRule
from pytest_netmocks.protocols.dns.session import DnsSession
from pytest_netmocks.protocols.dns.zone import TTL, Zone
from pytest_netmocks.records.addresses import Address
from pytest_netmocks.records.connection import Connection
from pytest_netmocks.records.recorder import Recorder
from pytest_netmocks.rules.base import Verdict
from pytest_netmocks.rules.book import Exchanges, RuleBook
from pytest_netmocks.servers.both import BothServer
from pytest_netmocks.servers.datagram_front import Asked, Datagram


def _of_streams(fault: Fault) -> bool:
    return isinstance(fault, StreamFault | AnswerFault)


FITTING: Mapping[Transport, Callable[[Fault], bool]] = {
    "udp": lambda fault: isinstance(fault, DatagramFault | Answer),
    "tcp": _of_streams,
    "tls": _of_streams,
    "https": lambda fault: isinstance(fault, Answer),
}
"""Which faults of a rule can strike a question, by what it came by; over HTTP the connection is another server's."""


class DnsServer(BothServer):
    """A DNS server (RFC 1034, 1035) over UDP and TCP on one port, or with `tls=True` over TLS alone (RFC 7858).

    `zone` has its names; a name that is not there is NXDOMAIN. Over HTTP (RFC 8484) it is an application to be mounted:
    `https_server.mount(dns_server.over_http, at="/dns-query")`.
    """

    scheme = "dns"
    secure_scheme = "dot"
    spoken = "DNS"

    def _prepare(self) -> None:
        super()._prepare()
        self.zone = Zone()
        """Names and their addresses; `add` has records of other types."""
        self.rules: RuleBook[DnsRule] = self.book()
        """The rules over questions, oldest first."""
        self._at_first: dict[Any, Any] = {}

    def _make_exchanges(self) -> Exchanges[DnsRule]:
        """Each question is one."""
        return Exchanges(self.rules, DnsRule(None, None))

    # What a test says

    @property
    def requests(self) -> list[DnsQuery]:
        """Every question so far, oldest first."""
        return super().requests

    def add(self, name: str, type: str, data: str, *, ttl: int = TTL) -> None:
        """Add a record as a line of a zone file has it: `add("example.com", "MX", "10 mail.example.com", ttl=60)`.

        Names in the data are absolute. A name may begin with a star (RFC 4592). Raises `TypeError` or `ValueError` that
        names the argument.
        """
        self.zone.add(name, type, data, ttl)

    def when(self, name: str | None = None, type: str | None = None) -> DnsRule:
        """Begin a rule for questions about a name (`"*.example.com"`: any below it) and a type of record.

        Raises `TypeError` or `ValueError` that names the argument.
        """
        return self.rules.add(DnsRule(name, type))

    def over_http(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """DNS over HTTPS (RFC 8484) as a WSGI application."""
        data = _posted(environ)
        if data is None:
            start_response("400 Bad Request", [("Content-Type", "text/plain")])
            return [b"this is for messages of DNS: POST application/dns-message, or GET with ?dns=\n"]
        client = environ.get("REMOTE_ADDR", ""), int(environ.get("REMOTE_PORT") or 0)
        future: concurrent.futures.Future[bytes | None] = concurrent.futures.Future()
        self.run_in_loop(self._ask_over_http, data, client, future)
        made = future.result()
        if made is None:
            start_response("502 Bad Gateway", [("Content-Type", "text/plain")])
            return [b"no answer\n"]
        start_response("200 OK", [("Content-Type", "application/dns-message"), ("Cache-Control", "max-age=0")])
        return [made]

    # What fronts and sessions ask

    def ask(self, data: bytes, transport: Transport, connection: Connection) -> Question | bytes | None:
        """In the loop: read a message and put the question on record."""
        question = read(data, transport, connection, self.journal.now())
        if isinstance(question, Question):
            self.journal.request(connection, question.query)
        else:
            self.journal.note(connection.id, f"{len(data)} B that ask nothing")
        return question

    def decide(self, question: Question) -> Verdict[DnsRule]:
        """In the loop: who answers it, and with which faults."""
        query = question.query
        verdict = self.rules.decide(query, query.connection, fits=FITTING[query.transport])
        if verdict.answering is None and self.rules and self.zone.find(question.name) is None:
            self.unmatched(query.connection, f"no rule and no name: {query.name}", self.rules)
        return verdict

    def answer(self, question: Question, verdict: Verdict[DnsRule]) -> bytes | DnsAnswer | None:
        """In the loop: the answer, or what has to be waited for."""
        if verdict.answering is None:
            return from_zone(question, self.zone)
        answer: DnsAnswer = verdict.take()
        if answer.delay or callable(answer.data):
            return answer
        return from_rule(question, answer, self.zone)

    async def later(self, question: Question, answer: DnsAnswer, give: Callable[[bytes], None]) -> None:
        """Wait for it, and give it."""
        if answer.delay:
            await clock.sleep(answer.delay)
        made = from_rule(question, await answer.make(question.query), self.zone)
        if made is not None:
            give(made)

    def _deliver(self, asked: Asked, datagram: Datagram) -> None:
        question = self.ask(datagram.data, "udp", datagram.connection)
        if isinstance(question, bytes):
            self._datagrams.answer(asked, question)
        if not isinstance(question, Question):
            return
        verdict = self.decide(question)
        asked.add(verdict.injections, verdict.struck)
        answer = self.answer(question, verdict)
        give = functools.partial(self._datagrams.answer, asked)
        if isinstance(answer, DnsAnswer):
            self.tasks.start(self.later(question, answer, give), datagram.connection.id)
        elif answer is not None:
            give(answer)

    def _ask_over_http(self, data: bytes, client: Address, future: concurrent.futures.Future[bytes | None]) -> None:
        connection = Connection(self.journal.next_number(), client, self.journal.now())
        self.journal.opened(connection, "asked over HTTP by")

        def over(made: bytes | None = None) -> None:
            if not future.done():
                future.set_result(made)
                Recorder(self.journal, connection).closed("client")

        question = self.ask(data, "https", connection)
        if not isinstance(question, Question):
            over(question)
            return
        answer = self.answer(question, self.decide(question))
        if isinstance(answer, DnsAnswer):
            task = self.tasks.start(self.later(question, answer, over), connection.id)
            task.add_done_callback(lambda _: over())  # also where there is no answer
        else:
            over(answer)

    def _forget(self, *, keep: bool) -> None:
        super()._forget(keep=keep)
        self.zone.records.clear()
        self.zone.records.update({name: list(records) for name, records in self._at_first.items()})

    def _build_in(self) -> None:
        super()._build_in()
        self._at_first = {name: list(records) for name, records in self.zone.records.items()}

    def _protocol(self, link: Link, connection: Connection) -> Top:
        return DnsSession(self, link, connection)


def _posted(environ: dict[str, Any]) -> bytes | None:
    """The message that a request of HTTP carries."""
    if environ["REQUEST_METHOD"] == "POST":
        if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/dns-message":
            return None
        body: bytes = environ["wsgi.input"].read(65536)
        return body if len(body) <= 65535 else None
    found = [
        part.removeprefix("dns=") for part in environ.get("QUERY_STRING", "").split("&") if part.startswith("dns=")
    ]
    if environ["REQUEST_METHOD"] != "GET" or not found:
        return None
    try:
        return base64.urlsafe_b64decode(found[0] + "=" * (-len(found[0]) % 4))
    except (binascii.Error, ValueError):
        return None
