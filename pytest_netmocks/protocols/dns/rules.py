"""`DnsRule`: which questions are meant, and what they get."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from types import NoneType
from typing import Any, Self

import dns.rcode
import dns.rdatatype

from pytest_netmocks import check, usercode
from pytest_netmocks.protocols.dns.records import DnsQuery
from pytest_netmocks.protocols.dns.zone import TTL, address_type, checked, name_of, type_of
from pytest_netmocks.rules.base import Rule

Function = Callable[[DnsQuery], str | list[str] | Awaitable[str | list[str] | None] | None]

RCODES = [rcode.name for rcode in dns.rcode.Rcode if rcode < 16]
"""The names of what a message can say went wrong, NOERROR too."""


@dataclasses.dataclass(frozen=True)
class DnsAnswer:
    """One answer: data, a code or raw bytes, or none at all; and what is wrong with it."""

    data: tuple[str, ...] | Function
    type: Any
    ttl: int
    rcode: str
    delay: float
    silent: bool = False
    raw: bytes | None = None
    truncated: bool = False
    wrong_id: bool = False
    wrong_question: bool = False
    extra: bytes = b""

    async def make(self, query: DnsQuery) -> DnsAnswer:
        """The answer, once a function has given its. Raises what that raises."""
        if not callable(self.data):
            return self
        given: Any = await usercode.call(self.data, query)
        if given is None:
            return dataclasses.replace(self, data=(), silent=True)
        rows = given if isinstance(given, list) else [given]
        if len(rows) == 1 and rows[0] in RCODES:
            return dataclasses.replace(self, data=(), rcode=rows[0])
        if self.type is not None:
            return dataclasses.replace(self, data=tuple(_data(one, self.type) for one in rows))
        asked = type_of("type", query.type)  # an address is no answer to a question of another type, and no error
        kinds = [asked if address_type(str(one)) is None else None for one in rows]
        return dataclasses.replace(self, data=tuple(map(_data, rows, kinds)))


def _data(one: object, kind: Any) -> str:
    check.instance("reply", one, str, "an address, what a record has, or a code such as 'NXDOMAIN'")
    if kind is None or (address_type(str(one)) is not None and kind in (dns.rdatatype.A, dns.rdatatype.AAAA)):
        if kind is None and address_type(str(one)) is None:
            raise ValueError(
                f"reply must be an IP address or a code ({', '.join(RCODES[:6])}, ...), not {one!r}: type= has others"
            )
        return str(one)
    return checked("reply", kind, one)


class DnsRule(Rule[DnsAnswer]):
    """What `when` of a DNS server begins."""

    counts = "questions"

    def __init__(self, name: str | None, rdtype: str | None) -> None:
        self.kind = type_of("type", rdtype) if rdtype is not None else None
        wanted = name_of("name", name) if name is not None else None
        star = wanted is not None and wanted.labels[0] == b"*"
        kind = dns.rdatatype.to_text(self.kind) if self.kind is not None else None

        def matches(query: DnsQuery) -> bool:
            if kind is not None and query.type != kind:
                return False
            if wanted is None:
                return True
            asked = name_of("name", query.name)
            if star:
                return bool(asked != wanted.parent() and asked.is_subdomain(wanted.parent()))
            return bool(asked == wanted)

        label = ", ".join(repr(one) for one in (name, rdtype) if one is not None)
        super().__init__(f"when({label})", matches)

    def reply(
        self,
        *data: str | Function | None,
        type: str | None = None,  # as DNS calls it
        ttl: int = TTL,
        raw: bytes | None = None,
        truncated: bool = False,
        wrong_id: bool = False,
        wrong_question: bool = False,
        extra: bytes = b"",
        times: int | None = None,
        delay: float = 0.0,
    ) -> Self:
        """Answer with addresses, with what records of the `type` have, or with a code: `reply("NXDOMAIN")`.

        `None` is no answer at all; a function or coroutine function of the query gives any of these, or a list. `ttl`
        is in seconds. `truncated` sets TC and leaves the records out, over UDP alone, so that clients ask again over
        TCP; `wrong_id` and `wrong_question` make the answer one to another query, `extra` bytes stand behind the
        message, and `raw` is all that goes out. Each answer is given `times` times (1 unless it is the last), after
        `delay` seconds. Raises `TypeError` or `ValueError` that names the argument.
        """
        if (not data) == (raw is None) and not truncated:
            raise TypeError("reply() needs addresses, a code such as 'NXDOMAIN', None or raw= bytes")
        check.instance("raw", raw, (bytes, NoneType), "bytes")
        check.instance("extra", extra, bytes, "bytes")
        for name, flag in (("truncated", truncated), ("wrong_id", wrong_id), ("wrong_question", wrong_question)):
            check.instance(name, flag, bool, "True or False")
        check.whole("ttl", ttl, unit="seconds", minimum=0, maximum=2**31 - 1)
        check.number("delay", delay, unit="seconds", minimum=0)
        kind = type_of("type", type) if type is not None else self.kind
        rcode, rows = "NOERROR", []
        made: tuple[str, ...] | Function
        if len(data) == 1 and callable(data[0]):
            made = data[0]
        else:
            for one in data:
                if one is None or callable(one):
                    if len(data) > 1:
                        raise TypeError("reply() takes None, or a function, alone")
                elif one in RCODES and len(data) == 1:
                    rcode = one
                else:
                    rows.append(_data(one, kind))
            made = tuple(rows)
        answer = DnsAnswer(
            made, kind, ttl, rcode, delay, data == (None,), raw, truncated, wrong_id, wrong_question, extra
        )
        return self._add(answer, times)
