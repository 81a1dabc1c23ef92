"""`Zone`: the names that a server knows, and what they have."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterator, MutableMapping
from typing import Any, NamedTuple

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from pytest_netmocks import check

TTL = 60
"""Seconds that an answer may be kept unless told otherwise."""

CHAIN = 16
"""Names that a CNAME may lead to one after another."""


class Record(NamedTuple):
    """One record of a name."""

    type: Any
    data: str
    ttl: int


def name_of(what: str, name: object) -> Any:
    """A name, absolute, in lower case. Raises `TypeError` or `ValueError`; `what` names it in errors."""
    check.instance(what, name, str, "a name such as 'api.example.com'")
    try:
        return dns.name.from_text(str(name), idna_codec=dns.name.IDNA_2003).canonicalize()
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"{what} must be a name such as 'api.example.com', not {name!r}: {error}") from None


def type_of(what: str, given: object) -> Any:
    """A type of record. Raises `TypeError` or `ValueError`."""
    check.instance(what, given, str, "a type of record such as 'A' or 'MX'")
    try:
        return dns.rdatatype.from_text(str(given))
    except (dns.exception.DNSException, ValueError):
        raise ValueError(f"{what} must be a type of record such as 'A' or 'MX', not {given!r}") from None


@functools.lru_cache(4096)
def parsed(rdtype: Any, data: str) -> Any:
    """What a record of that type has, as dnspython has it. Raises what that raises."""
    return dns.rdata.from_text(dns.rdataclass.IN, rdtype, data, origin=dns.name.root, relativize=False)


def checked(what: str, rdtype: Any, data: object) -> str:
    """What a record of that type may have. Raises `TypeError` or `ValueError`."""
    check.instance(what, data, str, "what a line of a zone file has behind the type")
    try:
        parsed(rdtype, str(data))
    except (dns.exception.DNSException, ValueError, UnicodeError) as error:
        kind = dns.rdatatype.to_text(rdtype)
        raise ValueError(f"{what} must be what a record of the type {kind} has, not {data!r}: {error}") from None
    return str(data)


def address_type(data: str) -> Any:
    """A or AAAA, `None` for what is no address."""
    try:
        version = ipaddress.ip_address(data).version
    except ValueError:
        return None
    return dns.rdatatype.A if version == 4 else dns.rdatatype.AAAA


class Zone(MutableMapping[str, Any]):
    """Names and their addresses: `zone["api.example.com"] = "10.0.0.1"`, or a list, whose order goes round."""

    def __init__(self) -> None:
        self.records: dict[Any, list[Record]] = {}
        self._turns: dict[tuple[Any, Any], int] = {}

    def __setitem__(self, name: str, value: object) -> None:
        key = name_of("name", name)
        given = value if isinstance(value, list) else [value]
        made = []
        for one in given:
            check.instance(f"zone[{name!r}]", one, str, "an IP address, or a list of them")
            rdtype = address_type(str(one))
            if rdtype is None:
                raise ValueError(f"zone[{name!r}] must be an IP address or a list of them, not {one!r}: add() has more")
            made.append(Record(rdtype, str(one), TTL))
        kept = [record for record in self.records.get(key, []) if address_type(record.data) is None]
        self.records[key] = kept + made

    def __getitem__(self, name: str) -> list[str]:
        return [record.data for record in self.records[name_of("name", name)]]

    def __delitem__(self, name: str) -> None:
        del self.records[name_of("name", name)]

    def __iter__(self) -> Iterator[str]:
        return (name.to_text(omit_final_dot=True) for name in list(self.records))

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} names>"

    def add(self, name: str, rdtype: str, data: str, ttl: int) -> None:
        """Add a record."""
        kind = type_of("type", rdtype)
        check.whole("ttl", ttl, unit="seconds", minimum=0, maximum=2**31 - 1)
        self.records.setdefault(name_of("name", name), []).append(Record(kind, checked("data", kind, data), ttl))

    # What the server asks

    def find(self, name: Any) -> list[Record] | None:
        """What a name has, by itself or by a star; nothing where only names below it are; `None` for one unknown."""
        key = name.canonicalize()
        if key in self.records:
            return self.records[key]
        shared = max((key.fullcompare(other)[2] for other in list(self.records)), default=0)  # labels at the end
        if shared == len(key.labels):
            return []
        # The star directly below the closest name that exists, if only by those below it (RFC 4592, section 3.3.1)
        return self.records.get(dns.name.Name((b"*", *key.labels[len(key.labels) - shared :])))

    def answers(self, name: Any, rdtype: Any) -> tuple[list[Any], bool]:
        """The records that answer, each a set of its own, CNAMEs first, and whether there is such a name."""
        found: list[Any] = []
        for _ in range(CHAIN):
            records = self.find(name)
            if records is None:
                return found, False
            same = [one for one in records if rdtype in (one.type, dns.rdatatype.ANY)]
            if same:
                for kind in dict.fromkeys(one.type for one in same):
                    found += self._in_turn(name, [one for one in same if one.type == kind])
                return found, True
            alias = next((one for one in records if one.type == dns.rdatatype.CNAME), None)
            if alias is None:
                return found, True
            found.append(made(name, alias.type, alias.data, alias.ttl))
            name = found[-1][0].target
        return found, True

    def _in_turn(self, name: Any, records: list[Record]) -> list[Any]:
        """Records of one type as dnspython has them; of several each comes first in its turn."""
        if len(records) > 1:
            place = name.canonicalize(), records[0].type
            turn = self._turns[place] = self._turns.get(place, -1) + 1
            turn %= len(records)
            records = records[turn:] + records[:turn]
        ttl = min(one.ttl for one in records)  # one for all of them (RFC 2181, section 5.2)
        return [made(name, one.type, one.data, ttl) for one in records]

    def soa(self, name: Any) -> Any:
        """What says how long a no may be kept (RFC 2308)."""
        here = name
        while True:
            for record in self.records.get(here.canonicalize(), []):
                if record.type == dns.rdatatype.SOA:
                    return made(here, record.type, record.data, record.ttl)
            if here == dns.name.root:
                parent = name.parent() if name != dns.name.root else name
                return made(parent, dns.rdatatype.SOA, "ns.netmocks. hostmaster.netmocks. 1 3600 600 86400 60", TTL)
            here = here.parent()


def made(name: Any, rdtype: Any, data: str, ttl: int) -> Any:
    """One record as a set of its own: of one with several dnspython changes the order. Nobody is to change it."""
    return _made(name.labels, rdtype, data, ttl)  # names are equal whatever their case, and what is asked for is kept


@functools.lru_cache(1024)
def _made(labels: tuple[bytes, ...], rdtype: Any, data: str, ttl: int) -> Any:
    return dns.rrset.from_rdata(dns.name.Name(labels), ttl, parsed(rdtype, data))
