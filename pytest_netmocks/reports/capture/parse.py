"""The blocks of anybody's pcapng file: sections, interfaces, packets, keys, comments."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator
from typing import Literal

from pytest_netmocks.reports.capture.blocks import (
    APPLICATION,
    COMMENT,
    DESCRIPTION,
    FLAGS,
    INTERFACE,
    MAGIC,
    NAME,
    PACKET,
    RESOLUTION,
    SECRETS,
    SECTION,
    TLS_KEYS,
)

SIMPLE_PACKET = 3
"""A packet without a time, on the first interface."""

OFFSET = 14
"""The option of an interface that says how many seconds its times are late."""

PCAPS = [magic.to_bytes(4, order) for magic in (0xA1B2C3D4, 0xA1B23C4D) for order in ("little", "big")]
"""How files of the older kind begin."""

LARGEST = 1 << 28
"""Bytes of a block: of more the length is taken for garbage."""

NANO = 1_000_000_000

Order = Literal["<", ">"]


@dataclasses.dataclass(slots=True)
class Interface:
    """Where packets come from."""

    link: int
    longest: int
    """Bytes of a packet that are kept, 0 for all."""
    name: str = ""
    description: str = ""
    ticks: int = 1_000_000
    """Units of its times in a second."""
    offset: int = 0


@dataclasses.dataclass(slots=True)
class Frame:
    """A packet as it stands in the file; `at` is in nanoseconds since 1970."""

    at: int
    interface: Interface
    data: bytes
    size: int
    comments: list[str]
    way: int
    """1 for one that came in, 2 for one that went out, 0 where it is not said."""


@dataclasses.dataclass(slots=True)
class Section:
    """One section of a file."""

    comment: str = ""
    application: str = ""
    interfaces: list[Interface] = dataclasses.field(default_factory=list)
    frames: list[Frame] = dataclasses.field(default_factory=list)
    keys: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)


def sections(data: bytes) -> list[Section]:
    """All sections of a file; one that ends in the middle of a block says so. Raises `ValueError` for what is none."""
    found: list[Section] = []
    order: Order = "<"
    at = 0
    while at < len(data):
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = _order(data, at)
            found.append(Section())
        elif not found:
            older = "; it is one of the older kind (pcap), which `editcap` makes one of" if data[:4] in PCAPS else ""
            raise ValueError(f"this is no pcapng file: it does not begin with the head of a section{older}")
        try:
            kind, body, at = _block(data, at, order)
            _take(found[-1], kind, body, order)
        except EOFError:
            found[-1].notes.append("the file ends in the middle of a block")
            break
        except struct.error:
            raise ValueError(f"this is no pcapng file: the block before byte {at} is too short for its kind") from None
    if not found:
        raise ValueError("this is no pcapng file: it is empty")
    return found


def _order(data: bytes, at: int) -> Order:
    magic = data[at + 8 : at + 12]
    if magic == MAGIC.to_bytes(4, "little"):
        return "<"
    if magic == MAGIC.to_bytes(4, "big"):
        return ">"
    raise ValueError(f"this is no pcapng file: at byte {at} is the head of a section without a byte order")


def _block(data: bytes, at: int, order: Order) -> tuple[int, bytes, int]:
    """Its kind, its body, and where the next begins."""
    if len(data) - at < 12:
        raise EOFError
    kind, size = struct.unpack_from(f"{order}II", data, at)
    if size < 12 or size % 4 or size > LARGEST:
        raise ValueError(f"this is no pcapng file: at byte {at} is a block of {size} bytes")
    if at + size > len(data):
        raise EOFError
    if struct.unpack_from(f"{order}I", data, at + size - 4)[0] != size:
        raise ValueError(f"this is no pcapng file: the block at byte {at} has two lengths")
    return kind, data[at + 8 : at + size - 4], at + size


def _take(section: Section, kind: int, body: bytes, order: Order) -> None:
    if kind == SECTION:
        if struct.unpack_from(f"{order}IH", body)[1] != 1:
            raise ValueError("the pcapng file is of a version that nobody here knows")
        for code, value in _options(body[16:], order):
            if code == COMMENT:
                section.comment = "\n".join(filter(None, [section.comment, _text(value)]))
            elif code == APPLICATION:
                section.application = _text(value)
    elif kind == INTERFACE:
        section.interfaces.append(_interface(body, order))
    elif kind == PACKET:
        section.frames.append(_packet(section, body, order))
    elif kind == SIMPLE_PACKET:
        section.frames.append(_simple(section, body, order))
    elif kind == SECRETS:
        what, size = struct.unpack_from(f"{order}II", body)
        if what == TLS_KEYS:
            section.keys.append(_text(body[8 : 8 + size]))


def _interface(body: bytes, order: Order) -> Interface:
    link, _, longest = struct.unpack_from(f"{order}HHI", body)
    made = Interface(link, longest)
    for code, value in _options(body[8:], order):
        if code == NAME:
            made.name = _text(value)
        elif code == DESCRIPTION:
            made.description = _text(value)
        elif code == RESOLUTION and value:
            exponent = value[0] & 0x7F
            made.ticks = 2**exponent if value[0] & 0x80 else 10 ** min(exponent, 30)
        elif code == OFFSET and len(value) == 8:
            made.offset = struct.unpack(f"{order}q", value)[0]
    return made


def _on(section: Section, number: int) -> Interface:
    try:
        return section.interfaces[number]
    except IndexError:
        raise ValueError(f"the pcapng file has a packet of interface {number}, which it does not describe") from None


def _packet(section: Section, body: bytes, order: Order) -> Frame:
    number, high, low, kept, size = struct.unpack_from(f"{order}IIIII", body)
    interface = _on(section, number)
    if kept > len(body) - 20:
        raise ValueError(f"the pcapng file has a packet of {kept} bytes in a block of {len(body)}")
    comments, way = [], 0
    for code, value in _options(body[20 + kept + -kept % 4 :], order):
        if code == COMMENT:
            comments.append(_text(value))
        elif code == FLAGS and len(value) == 4:
            way = struct.unpack(f"{order}I", value)[0] & 3
    ticks = (high << 32 | low) + interface.offset * interface.ticks
    return Frame(ticks * NANO // interface.ticks, interface, body[20 : 20 + kept], max(size, kept), comments, way)


def _simple(section: Section, body: bytes, order: Order) -> Frame:
    (size,) = struct.unpack_from(f"{order}I", body)
    interface = _on(section, 0)
    kept = min(size, interface.longest or size, len(body) - 4)
    at = section.frames[-1].at if section.frames else 0
    return Frame(at, interface, body[4 : 4 + kept], size, [], 0)


def _options(data: bytes, order: Order) -> Iterator[tuple[int, bytes]]:
    """The options; those behind one that does not fit are passed over."""
    at = 0
    while at + 4 <= len(data):
        code, size = struct.unpack_from(f"{order}HH", data, at)
        if code == 0 or at + 4 + size > len(data):
            return
        yield code, data[at + 4 : at + 4 + size]
        at += 4 + size + -size % 4


def _text(data: bytes) -> str:
    return data.decode(errors="replace").rstrip("\0")
