"""FETCH: which items a client asks for, and what they are (RFC 3501, section 6.4.5)."""

from __future__ import annotations

import dataclasses
import functools

from pytest_netmocks.protocols.imap.mime import Part
from pytest_netmocks.protocols.imap.syntax import Arguments, BadError, date_time, literal
from pytest_netmocks.protocols.mail.mailbox import Folder, StoredMessage

MACROS = {
    b"ALL": ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"],
    b"FAST": ["FLAGS", "INTERNALDATE", "RFC822.SIZE"],
    b"FULL": ["FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"],
}

ITEMS = 200
"""Items of one command."""


@dataclasses.dataclass(frozen=True)
class Item:
    """One item: its name, and of a section which, and which bytes of it."""

    name: str
    path: tuple[int, ...] = ()
    what: str = ""
    """HEADER, HEADER.FIELDS, HEADER.FIELDS.NOT, TEXT, MIME, or all of it."""
    fields: tuple[str, ...] = ()
    partial: tuple[int, int] | None = None
    peek: bool = False
    label: bytes = b""
    """What the answer calls it."""

    @property
    def reads(self) -> bool:
        """Whether it sets \\Seen."""
        return not self.peek and (self.name == "BODY[" or self.name in ("RFC822", "RFC822.TEXT"))


SIMPLE = ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "UID", "MODSEQ")
WHOLE = ("RFC822.HEADER", "RFC822.TEXT", "RFC822")


def plain(name: str) -> Item:
    """An item without a section."""
    return Item(name, label=name.encode())


def items(arguments: Arguments) -> list[Item]:
    """The items that a client asks for. Raises `BadError`."""
    for macro, names in MACROS.items():
        if arguments.peek(macro):
            arguments.take(macro)
            return [plain(name) for name in names]
    if not arguments.take(b"("):
        return [_item(arguments)]
    found = [_item(arguments)]
    while not arguments.take(b")"):
        arguments.space()
        found.append(_item(arguments))
        if len(found) > ITEMS:
            raise BadError(f"more than {ITEMS} items")
    return found


def _item(arguments: Arguments) -> Item:
    for name in (*SIMPLE, *WHOLE):
        if arguments.take(name.encode()):
            return Item(name, label=name.encode(), peek=name == "RFC822.HEADER")
    if arguments.take(b"BODY.PEEK["):
        return _section(arguments, peek=True)
    if arguments.take(b"BODY["):
        return _section(arguments, peek=False)
    if arguments.take(b"BODY"):
        return plain("BODY")
    raise BadError(f"{arguments.atom()[:20]} is no item")


def _section(arguments: Arguments, *, peek: bool) -> Item:
    path: list[int] = []
    what = ""
    fields: list[str] = []
    while not arguments.peek(b"]"):
        if path or what:
            arguments.need(b".")
        if len(path) > 100:
            raise BadError("the section is too deep")
        for word in (b"HEADER.FIELDS.NOT", b"HEADER.FIELDS", b"HEADER", b"TEXT", b"MIME"):
            if arguments.take(word):
                what = word.decode()
                break
        else:
            path.append(arguments.number())
            continue
        if what == "MIME" and not path:
            raise BadError("MIME is a part's")
        if "FIELDS" in what:
            arguments.need(b" (")
            fields.append(arguments.text())
            while not arguments.take(b")"):
                arguments.space()
                fields.append(arguments.text())
        break
    arguments.need(b"]")
    partial = None
    origin = b""
    if arguments.take(b"<"):
        start = arguments.number()
        arguments.need(b".")
        partial = start, arguments.number()
        if not partial[1]:
            raise BadError("a partial of no bytes")
        arguments.need(b">")
        origin = b"<%d>" % start
    words = [str(number) for number in path] + ([what] if what else [])
    named = f" ({' '.join(field.upper() for field in fields)})" if fields else ""
    label = f"BODY[{'.'.join(words)}{named}]".encode("utf-8", "surrogateescape") + origin
    return Item("BODY[", tuple(path), what, tuple(fields), partial, peek, label)


def value(item: Item, message: StoredMessage, folder: Folder, flags: bytes) -> bytes:
    """What an item is of a message."""
    if item.name == "FLAGS":
        return flags
    if item.name == "UID":
        return b"%d" % folder.uid(message)
    match item.name:
        case "MODSEQ":
            return b"(%d)" % folder.modseq(message)
        case "INTERNALDATE":
            return date_time(message.internal_date)
        case "RFC822.SIZE":
            return b"%d" % message.size
        case "RFC822":
            return literal(message.content)
    part = parsed(message.content)
    match item.name:
        case "ENVELOPE":
            return part.envelope
        case "BODY" | "BODYSTRUCTURE":
            return part.structure(extended=item.name == "BODYSTRUCTURE")
        case "RFC822.HEADER":
            return literal(part.header)
        case "RFC822.TEXT":
            return literal(part.body)
    data = _of_section(part, item)
    if data is None:
        return b"NIL"
    if item.partial is not None:
        start, size = item.partial
        data = data[start : start + size]
    return literal(data)


@functools.lru_cache(maxsize=512)
def parsed(content: bytes) -> Part:
    """The parts of a message; of the latest they are kept, for clients ask again and again."""
    return Part(content)


def _of_section(part: Part, item: Item) -> bytes | None:
    found = part.at(item.path)
    if found is None:
        return None
    if item.what == "MIME":
        return found.header
    if not item.what:
        return found.body if item.path else found.data
    inner = found.message if item.path else found
    if inner is None:
        return None
    if item.what == "TEXT":
        return inner.body
    if item.what == "HEADER":
        return inner.header
    return inner.some(item.fields, but=item.what.endswith("NOT"))
