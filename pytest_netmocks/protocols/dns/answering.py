"""From a question's bytes to its answer's: what the server does with a message, whatever it came by."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from pytest_netmocks.protocols.dns.records import DnsQuery, Transport
from pytest_netmocks.protocols.dns.rules import DnsAnswer
from pytest_netmocks.protocols.dns.zone import Zone, address_type, made
from pytest_netmocks.records.connection import Connection

PLAIN = 512
"""Bytes of an answer over UDP to who does not know EDNS(0) (RFC 1035, section 4.2.1)."""

LARGEST = 4096
"""Bytes of an answer over UDP to who takes more."""


CLASSES = (dns.rdataclass.IN, dns.rdataclass.ANY)

TRANSFERS = (dns.rdatatype.AXFR, dns.rdatatype.IXFR)
"""Types that ask for a whole zone, which nobody gets (RFC 5936, section 5)."""


@dataclasses.dataclass
class Question:
    """A message that asks something: its record, and the message."""

    query: DnsQuery
    message: Any

    @property
    def name(self) -> Any:
        """The name, as it was written."""
        return self.message.question[0].name

    @property
    def type(self) -> Any:
        """The type of the records that are wanted."""
        return self.message.question[0].rdtype


def read(data: bytes, transport: Transport, connection: Connection, at: float) -> Question | bytes | None:
    """A question; or what is answered to what is none, or nothing to what is no message at all."""
    if len(data) < 12 or data[2] & 0x80:  # answers are not answered
        return None
    if data[2] >> 3 & 15 != dns.opcode.QUERY:
        return _header(data, dns.rcode.NOTIMP)
    try:
        message: Any = dns.message.from_wire(data, ignore_trailing=True, question_only=False)
    except dns.message.UnknownTSIGKey:
        return _header(data, dns.rcode.NOTAUTH)  # RFC 8945, section 5.2.1
    except (dns.exception.DNSException, ValueError, UnicodeError, IndexError, OverflowError):
        return _header(data, dns.rcode.FORMERR)
    if len(message.question) != 1:
        return _header(data, dns.rcode.FORMERR)
    asked = message.question[0]
    query = DnsQuery(
        asked.name.to_text(omit_final_dot=True),
        dns.rdatatype.to_text(asked.rdtype),
        transport,
        message.id,
        _flags(message.flags),
        message.payload if message.edns >= 0 else 0,
        connection,
        at,
    )
    return Question(query, message)


@functools.lru_cache(256)
def _flags(flags: int) -> tuple[str, ...]:
    return tuple(sorted(dns.flags.to_text(flags).split()))


def _header(data: bytes, rcode: Any) -> bytes:
    """An answer that has nothing but a header."""
    flags = 0x8000 | (data[2] & 0x79) << 8 | int(rcode)
    return data[:2] + flags.to_bytes(2) + bytes(8)


def from_zone(question: Question, zone: Zone) -> bytes:
    """The answer of the server's names."""
    response = _response(question)
    if question.message.edns > 0:
        response.set_rcode(dns.rcode.BADVERS)  # RFC 6891, section 6.1.3
        return _wire(question, response)
    if question.message.question[0].rdclass not in CLASSES or question.type in TRANSFERS:
        response.set_rcode(dns.rcode.REFUSED)
        return _wire(question, response)
    found, there = zone.answers(question.name, question.type)
    response.answer += found
    if not there:
        response.set_rcode(dns.rcode.NXDOMAIN)
    if not there or not found:
        response.authority.append(zone.soa(question.name))
    return _wire(question, response)


def from_rule(question: Question, answer: DnsAnswer, zone: Zone) -> bytes | None:
    """What a rule answers; `None` is nothing."""
    query = question.query
    if answer.silent:
        query.reply = "nothing"
        return None
    if answer.raw is not None:
        query.reply = f"{len(answer.raw)} raw bytes"
        return answer.raw
    response = _response(question)
    response.set_rcode(dns.rcode.from_text(answer.rcode))
    rows = answer.data if isinstance(answer.data, tuple) else ()
    for kind in dict.fromkeys(_kind(row, answer, question) for row in rows):
        if kind in (question.type, dns.rdatatype.CNAME) or question.type == dns.rdatatype.ANY:
            same = [row for row in rows if _kind(row, answer, question) == kind]
            response.answer += [made(question.name, kind, row, answer.ttl) for row in same]
    if answer.rcode in ("NOERROR", "NXDOMAIN") and not response.answer and not answer.truncated:
        response.authority.append(zone.soa(question.name))
    if answer.wrong_id:
        response.id = (response.id + 1) % 65536
    if answer.wrong_question:
        other = dns.rrset.RRset(question.name, dns.rdataclass.IN, dns.rdatatype.TXT)
        response.question = [other]
    return _wire(question, response, truncated=answer.truncated and query.transport == "udp") + answer.extra


def _kind(row: str, answer: DnsAnswer, question: Question) -> Any:
    found = address_type(row)
    if found is not None and answer.type in (None, dns.rdatatype.A, dns.rdatatype.AAAA):
        return found
    return answer.type if answer.type is not None else question.type


def _response(question: Question) -> Any:
    response: Any = dns.message.make_response(question.message, recursion_available=True, our_payload=LARGEST)
    response.flags |= dns.flags.AA
    return response


def _wire(question: Question, response: Any, *, truncated: bool = False) -> bytes:
    query = question.query
    data = [row.to_text() for found in response.answer for row in found]
    query.reply = " ".join([dns.rcode.to_text(response.rcode()), *data])[:1000]
    most = 65535
    if query.transport == "udp":
        most = min(max(query.edns, PLAIN), LARGEST)
    if not truncated:
        try:
            wire: bytes = response.to_wire(max_size=most)
            return wire
        except dns.exception.TooBig:
            pass
    response.flags |= dns.flags.TC
    response.answer, response.authority, response.additional = [], [], []
    query.reply = f"{dns.rcode.to_text(response.rcode())} truncated"
    cut: bytes = response.to_wire(max_size=65535)
    return cut
