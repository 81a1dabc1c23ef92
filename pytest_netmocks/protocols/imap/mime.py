"""The parts of a message, byte by byte as they were delivered, and what IMAP says of them (RFC 3501, section 7.4.2)."""

from __future__ import annotations

import email.message
import email.utils
import functools
import re
from collections.abc import Iterable, Sequence

from pytest_netmocks.protocols.imap.syntax import quoted, string

DEPTH = 30
"""Parts within parts at most; what is deeper is plain text."""

MOST = 1000
"""Parts of one multipart at most."""

_FOLD = re.compile(rb"\r?\n(?=[ \t])")


class Part:
    """A message, or a part of one: `header` with the empty line that ends it, and `body`."""

    def __init__(self, data: bytes, depth: int = 0, usual: str = "text/plain") -> None:
        self._depth = depth
        self._usual = usual
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
        for number in path:
            inner = here.message or here
            if inner.parts:
                if not 1 <= number <= len(inner.parts):
                    return None
                here = inner.parts[number - 1]
            elif number == 1:
                here = inner if inner is not here else here
            else:
                return None
        return here

    # What IMAP says

    @property
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
        main, sub, parameters = self._type
        more = [_disposition(self.get("content-disposition")), _languages(self.get("content-language"))]
        more += [quoted(self.get("content-location"))]
        if self.parts:
            words = [b"".join(part.structure(extended=extended) for part in self.parts), _word(sub)]
            words += [_pairs(parameters), *more] if extended else []
            return b"(" + b" ".join(words) + b")"
        if main == "multipart":
            main, sub, parameters = "text", "plain", []
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
    """A value and its parameters, without their quotes."""
    message = email.message.Message()
    message["x"] = re.sub(r"[\r\n]", " ", value)
    found = message.get_params(header="x", unquote=True) or []
    pairs = [(str(name), email.utils.collapse_rfc2231_value(given)) for name, given in found]
    return (pairs[0][0].strip(), pairs[1:]) if pairs else ("", [])


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
    found = []
    for name, address in email.utils.getaddresses(values[:100]):
        if name or address:
            mailbox, _, host = address.rpartition("@")
            mailbox, host = (mailbox, host) if mailbox else (address, "")
            found.append(b"(%b NIL %b %b)" % (quoted(name or None), quoted(mailbox), quoted(host)))
    return b"(" + b"".join(found) + b")" if found else b"NIL"
