"""The PROXY protocol as bytes: what is a header, what it says, and what is none."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_netmocks.link.proxy_protocol import LONGEST_LINE, SIGNATURE, BadHeaderError, Reader, Version, header
from pytest_netmocks.records.addresses import Address, ip_text, unix_address
from pytest_netmocks.records.proxied import ProxyHeader

V4 = st.ip_addresses(v=4).map(str)
V6 = st.ip_addresses(v=6).map(str).filter(lambda host: not host.startswith("::ffff:"))
PORTS = st.integers(0, 65535)
PATHS = st.text("abc/é", max_size=50).map(lambda text: unix_address(f"/{text}"))


def ends(hosts: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[Address, Address]]:
    return st.tuples(st.tuples(hosts, PORTS), st.tuples(hosts, PORTS))


def read(data: bytes, size: int = 1 << 20) -> tuple[ProxyHeader, bytes] | None:
    """The header that a reader finds in pieces of that size, and all that is behind it."""
    reader = Reader()
    for at in range(0, len(data), size):
        found = reader.feed(data[at : at + size])
        if found is not None:
            return found[0], found[1] + data[at + size :]
    return None


def v2(kind: int, family: int, body: bytes) -> bytes:
    return SIGNATURE + bytes([kind, family]) + len(body).to_bytes(2) + body


INET = bytes([192, 0, 2, 1, 192, 0, 2, 2]) + (56324).to_bytes(2) + (443).to_bytes(2)


@given(between=ends(V4) | ends(V6) | st.tuples(PATHS, PATHS), version=st.sampled_from([1, 2]), size=st.integers(1, 40))
def test_what_is_said_is_read_in_whatever_pieces_it_comes(
    between: tuple[Address, Address], version: Version, size: int
) -> None:
    said = header(version, *between)
    found = read(said + b"GET / HTTP/1.1\r\n", size)
    assert found is not None
    told, rest = found
    assert rest == b"GET / HTTP/1.1\r\n"
    is_said = version == 2 or not between[0][0].startswith("unix")
    assert (told.version, told.source, told.destination) == (version, *(between if is_said else (None, None)))
    assert all(read(said[:end]) is None for end in range(len(said)))
    assert version == 2 or len(said) <= LONGEST_LINE


def test_the_longest_line_may_come_in_pieces() -> None:
    line = b"PROXY UNKNOWN ".ljust(LONGEST_LINE - 2, b"x") + b"\r\n"
    assert all(read(line[:end]) is None for end in range(len(line)))
    assert read(line, len(line) - 1) is not None
    with pytest.raises(BadHeaderError):
        read(b"PROXY UNKNOWN ".ljust(LONGEST_LINE - 1, b"x") + b"\r")


def test_an_address_of_ipv4_within_ipv6_is_ipv4_unless_the_other_end_is_not() -> None:
    assert header(1, ("::ffff:1.2.3.4", 5, 0, 0), ("::ffff:6.7.8.9", 10)) == b"PROXY TCP4 1.2.3.4 6.7.8.9 5 10\r\n"
    mixed = read(header(1, ("1.2.3.4", 5), ("fe80::1%lo", 10, 0, 1)))
    assert mixed is not None
    assert (mixed[0].family, mixed[0].source, mixed[0].destination) == ("TCP6", ("::ffff:1.2.3.4", 5), ("fe80::1", 10))


@given(address=st.ip_addresses() | st.ip_addresses(v=4).map(lambda inner: IPv6Address(f"::ffff:{inner}")))
def test_an_address_is_written_as_the_kernel_writes_it_on_every_python(address: IPv4Address | IPv6Address) -> None:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    dotted = address.version == 6 and not int(address) >> 32  # ::1.2.3.4 was given up, see RFC 4291, section 2.5.5.1
    assert dotted or ip_text(address) == ip_text(address.packed) == socket.inet_ntop(family, address.packed)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PROXY UNKNOWN\r\n", ProxyHeader(1, "PROXY", "UNKNOWN")),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", ProxyHeader(1, "PROXY", "UNKNOWN")),
        (
            b"PROXY TCP4 1.2.3.4 5.6.7.8 0 65535\r\n",
            ProxyHeader(1, "PROXY", "TCP4", ("1.2.3.4", 0), ("5.6.7.8", 65535)),
        ),
        (v2(0x20, 0x00, b""), ProxyHeader(2, "LOCAL", "UNKNOWN")),
        (v2(0x20, 0x11, b"?"), ProxyHeader(2, "LOCAL", "UNKNOWN")),
        (v2(0x21, 0x00, b"\4\0\1x"), ProxyHeader(2, "PROXY", "UNKNOWN", tlvs=((4, b"x"),))),
        (
            v2(0x21, 0x11, INET + b"\2\0\3api\xea\0\0"),
            ProxyHeader(2, "PROXY", "TCP4", ("192.0.2.1", 56324), ("192.0.2.2", 443), ((2, b"api"), (0xEA, b""))),
        ),
        (
            v2(0x21, 0x31, b"/run/a".ljust(108, b"\0") + bytes(108)),
            ProxyHeader(2, "PROXY", "UNIX", ("unix:/run/a", 0), ("unix", 0)),
        ),
        (
            v2(0x21, 0x11, INET + b"\4" + (65520).to_bytes(2) + bytes(65520)),
            ProxyHeader(2, "PROXY", "TCP4", ("192.0.2.1", 56324), ("192.0.2.2", 443), ((4, bytes(65520)),)),
        ),
    ],
    ids=["unknown", "ignored", "ports", "local", "local with", "unspecified", "tlvs", "unix", "longest"],
)  # fmt: skip
def test_every_form_of_a_header_is_read(data: bytes, said: ProxyHeader) -> None:
    assert read(data + b"rest") == (said, b"rest")
    assert said.describe()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.1\r\n", "begins with b'GET / HTTP/1'"),
        (b"\x16\3\1", "begins with"),
        (b"PROXY" + b" " * 200, "more than 107 bytes"),
        (b"PROXY UNKNOWN" + b"x" * 100 + b"\r\n", "more than 107 bytes"),
        (b"PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "its line is"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", "its line is"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", "its line is"),
        (b"PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n", "its line is"),
        (b"PROXY TCP4 ::1 5.6.7.8 1 2\r\n", "no address of IPv4"),
        (b"PROXY TCP6 1.2.3.4 ::1 1 2\r\n", "no address of IPv6"),
        (b"PROXY TCP6 fe80::1%lo ::1 1 2\r\n", "has a zone"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", "no port"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n", "no port"),
        (b"PROXY TCP4 1.2.3.\xff 5.6.7.8 1 2\r\n", "no address of IPv4"),
        (v2(0x11, 0x11, INET), "version and command are 0x11"),
        (v2(0x22, 0x11, INET), "version and command are 0x22"),
        (v2(0x21, 0x13, INET), "address family and transport are 0x13"),
        (v2(0x21, 0x11, INET[1:]), "11 bytes for addresses that take 12"),
        (v2(0x21, 0x11, INET + b"\4\0"), "a TLV is cut off"),
        (v2(0x21, 0x11, INET + b"\4\0\2x"), "a TLV is longer than the header"),
    ],
)
def test_what_is_no_header_is_refused_with_words(data: bytes, why: str) -> None:
    with pytest.raises(BadHeaderError, match=why):
        read(data)


@given(
    data=st.binary(max_size=300),
    start=st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"!\x11"]),
)
def test_random_bytes_are_a_header_or_none_or_not_enough(data: bytes, start: bytes) -> None:
    try:
        found = read(start + data, 7)
    except BadHeaderError as error:
        assert str(error)  # or nothing is raised
    else:
        assert found is None or (start + data).endswith(found[1])
