"""The parts of a message, byte by byte as they were delivered, and what IMAP says of them (RFC 3501, section 7.4.2)."""

from __future__ import annotations

import base64
import binascii
import contextlib
import email.errors
import email.header
import email.utils
import functools
import quopri
import re
from collections.abc import Iterable, Sequence

from pytest_netmocks import charsets
from pytest_netmocks.protocols.imap.syntax import quoted, string

DEPTH = 30
"""Parts within parts at most; what is deeper is plain text."""

MOST = 1000
"""Parts of one multipart at most."""

FIELD = 64 << 10
"""Characters of a field that are read as addresses or as encoded words."""

GROUPS = 500
"""Groups of addresses in one field at most."""

_FOLD = re.compile(rb"\r?\n(?=[ \t])")

_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)', re.DOTALL)

_ADDRESSES = re.compile(r'"(?:[^"\\]|\\.)*+"?|<[^<>]*+>?|\((?:[^()\\]|\\.)*+\)?|[:;]|[^":;<(]+', re.DOTALL)
"""Words of a list of addresses, of which the colons and the semicolons of groups are some (RFC 5322, section 3.4)."""


class Part:
    """A message, or a part of one: `header` with the empty line that ends it, and `body`."""

    def __init__(self, data: bytes, depth: int = 0, usual: str = "text/plain") -> None:
        self._depth = depth
        self._usual = usual
        self._structures: dict[bool, bytes] = {}
        if data.startswith(b"\r\n"):
            self.header, self.body = b"\r\n", data[2:]
        else:
            head, blank, self.body = data.partition(b"\r\n\r\n")
            self.header = head + blank
        self.data = data

    @functools.cached_property
    def fields(self) -> list[tuple[str, bytes, bytes]]:
        """The header's fields: name in lower case, value without folds, and the field as it stands."""
        found = []
        for line in re.split(rb"\r\n(?![ \t])", self.header):
            name, colon, value = line.partition(b":")
            if colon:
                text = name.strip().decode("latin-1").lower()
                found.append((text, _FOLD.sub(b"", value).strip(), line + b"\r\n"))
        return found

    def get(self, name: str) -> str | None:
        """The value of the first field of that name."""
        return next(
            (value.decode("utf-8", "surrogateescape") for known, value, _ in self.fields if known == name), None
        )

    def all(self, name: str) -> list[str]:
        """The values of all fields of that name."""
        return [value.decode("utf-8", "surrogateescape") for known, value, _ in self.fields if known == name]

    def some(self, names: Iterable[str], *, but: bool = False) -> bytes:
        """The fields of those names (or all `but` those), as they stand, and an empty line."""
        wanted = {name.lower() for name in names}
        return b"".join(line for name, _, line in self.fields if (name in wanted) is not but) + b"\r\n"

    @functools.cached_property
    def _type(self) -> tuple[str, str, list[tuple[str, str]]]:
        kind, parameters = _parameters(self.get("content-type") or self._usual)
        main, slash, sub = kind.partition("/")
        if not (main and slash and sub) or (main.lower() == "multipart" and not self._boundary(parameters)):
            return "text", "plain", []
        return main.lower(), sub.lower(), parameters

    @staticmethod
    def _boundary(parameters: Sequence[tuple[str, str]]) -> str:
        return next((value for name, value in parameters if name.lower() == "boundary"), "")

    @property
    def kind(self) -> str:
        """Its media type."""
        return f"{self._type[0]}/{self._type[1]}"

    @functools.cached_property
    def parts(self) -> list[Part]:
        """The parts of a multipart; none of any other."""
        if self._type[0] != "multipart" or self._depth >= DEPTH:
            return []
        boundary = re.escape(b"--" + self._boundary(self._type[2]).encode("utf-8", "surrogateescape"))
        usual = "message/rfc822" if self._type[1] == "digest" else "text/plain"
        starts = list(re.finditer(rb"(?:\A|\r\n)" + boundary + rb"(--)?[ \t]*(?:\r\n|\Z)", self.body))
        found = []
        for number, here in enumerate(starts[:MOST]):
            if here.group(1):
                break
            end = starts[number + 1].start() if number + 1 < len(starts) else len(self.body)
            # The line end before a boundary is the boundary's; of two boundaries in a row it is that of both.
            found.append(Part(self.body[here.end() : max(here.end(), end)], self._depth + 1, usual))
        return found or [Part(b"\r\n", DEPTH)]

    @functools.cached_property
    def message(self) -> Part | None:
        """The message that a part of the type message/rfc822 is."""
        return Part(self.body, self._depth + 1) if self.kind == "message/rfc822" and self._depth < DEPTH else None

    def at(self, path: Sequence[int]) -> Part | None:
        """The part that stands there; a message that is no multipart has one, which is its body."""
        here: Part = self
        whole: Part | None = self
        for number in path:
            parts = (whole or here).parts
            if parts:
                if not 1 <= number <= len(parts):
                    return None
                here = parts[number - 1]
            elif number == 1 and whole is not None:
                here = whole
            else:
                return None
            whole = here.message if here is not whole else None
        return here

    @functools.cached_property
    def text(self) -> str:
        """What a search looks at: text parts, decoded, and what is said of messages in it (RFC 3501, section 6.4.4)."""
        if self.parts:
            return "\n".join(part.text for part in self.parts)
        if self.message is not None:
            return self.message.said + self.message.text
        if self._type[0] != "text":
            return ""
        data = self.body
        encoding = (self.get("content-transfer-encoding") or "").lower()
        if encoding == "quoted-printable":
            data = quopri.decodestring(data)
        elif encoding == "base64":
            with contextlib.suppress(binascii.Error):
                data = base64.b64decode(data)
        charset = next((value for name, value in self._type[2] if name.lower() == "charset"), "utf-8")
        return charsets.text_of(data, "utf-8" if charset.lower() == "us-ascii" else charset, "replace")

    @functools.cached_property
    def said(self) -> str:
        """The header in words, and as it stands."""
        lines = self.header.decode("utf-8", "replace")
        return lines + "".join(f"{name}: {in_words(one)}\n" for name, value, _ in self.fields for one in _texts(value))

    # What IMAP says

    @functools.cached_property
    def envelope(self) -> bytes:
        """ENVELOPE."""
        from_ = _addresses(self.all("from"))
        sender, reply_to = _addresses(self.all("sender")), _addresses(self.all("reply-to"))
        words = [quoted(self.get("date")), quoted(self.get("subject")), from_]
        words += [sender if sender != b"NIL" else from_, reply_to if reply_to != b"NIL" else from_]
        words += [_addresses(self.all(name)) for name in ("to", "cc", "bcc")]
        words += [quoted(self.get("in-reply-to")), quoted(self.get("message-id"))]
        return b"(" + b" ".join(words) + b")"

    def structure(self, *, extended: bool) -> bytes:
        """BODYSTRUCTURE, or BODY, which is the same without what was added later."""
        known = self._structures.get(extended)
        if known is None:
            known = self._structures[extended] = self._structure(extended=extended)
        return known

    def _structure(self, *, extended: bool) -> bytes:
        main, sub, parameters = self._type
        more = [_disposition(self.get("content-disposition")), _languages(self.get("content-language"))]
        more += [quoted(self.get("content-location"))]
        if self.parts:
            words = [b"".join(part.structure(extended=extended) for part in self.parts), _word(sub)]
            words += [_pairs(parameters), *more] if extended else []
            return b"(" + b" ".join(words) + b")"
        if main == "multipart":
            main, sub, parameters = "text", "plain", []
        if main == "text" and not any(name.lower() == "charset" for name, _ in parameters):
            parameters = [*parameters, ("charset", "us-ascii")]  # RFC 2045, section 5.2
        words = [_word(main), _word(sub), _pairs(parameters)]
        words += [quoted(self.get("content-id")), quoted(self.get("content-description"))]
        words += [_word(self.get("content-transfer-encoding") or "7bit"), b"%d" % len(self.body)]
        if self.message is not None:
            words += [self.message.envelope, self.message.structure(extended=extended)]
        if self.message is not None or main == "text":
            words.append(b"%d" % self.body.count(b"\n"))
        words += [quoted(self.get("content-md5")), *more] if extended else []
        return b"(" + b" ".join(words) + b")"


def _word(text: str) -> bytes:
    return string(text.upper().encode("utf-8", "surrogateescape"))


def _parameters(value: str) -> tuple[str, list[tuple[str, str]]]:
    """A value and its parameters, without their quotes; those in the form of RFC 2231 as they stand."""
    found = [(name, email.utils.unquote(given.strip())) for name, given in _PARAMETER.findall(value)]
    return value.partition(";")[0].strip(), found


def _pairs(parameters: Sequence[tuple[str, str]]) -> bytes:
    if not parameters:
        return b"NIL"
    return b"(" + b" ".join(b"%b %b" % (_word(name), quoted(value)) for name, value in parameters) + b")"


def _disposition(value: str | None) -> bytes:
    if not value:
        return b"NIL"
    kind, parameters = _parameters(value)
    return b"(%b %b)" % (_word(kind), _pairs(parameters))


def _languages(value: str | None) -> bytes:
    if not value:
        return b"NIL"
    languages = [quoted(one.strip()) for one in value.split(",")]
    return languages[0] if len(languages) == 1 else b"(" + b" ".join(languages) + b")"


def _addresses(values: list[str]) -> bytes:
    found = b"".join(_members(value[:FIELD]) for value in values[:100])
    return b"(" + found + b")" if found else b"NIL"


def _members(value: str) -> bytes:
    """Addresses; those of a group stand between its name and its end (RFC 3501, section 7.4.2)."""
    found: list[bytes] = []
    text = ""
    for word in _ADDRESSES.findall(value):
        if word not in (":", ";"):
            text += word
            continue
        if len(found) > GROUPS:
            break
        before, _, group = text.rpartition(",") if word == ":" else (text, "", "")
        name = quoted(email.utils.unquote(group.strip())) if word == ":" else b"NIL"
        found.append(_listed(before) + b"(NIL NIL %b NIL)" % name)
        text = ""
    return b"".join(found) + _listed(text)


def _listed(text: str) -> bytes:
    found = b""
    try:
        addresses = email.utils.getaddresses([text])
    except RecursionError:  # comments in comments
        return b""
    for name, address in addresses:
        if name or address:
            mailbox, _, host = address.rpartition("@")
            mailbox, host = (mailbox, host) if mailbox else (address, "")
            found += b"(%b NIL %b %b)" % (quoted(name or None), quoted(mailbox), quoted(host))
    return found


def in_words(value: str) -> str:
    """A field's value without its encoded words (RFC 2047)."""
    try:
        parts = email.header.decode_header(value[:FIELD])
        known = all(charset is None or charsets.is_charset(charset) for _, charset in parts)
        return str(email.header.make_header(parts)) if known else value
    except (ValueError, LookupError, email.errors.HeaderParseError):
        return value


def _texts(value: bytes) -> list[str]:
    return [value.decode("ascii")] if b"=?" in value and value.isascii() else []
