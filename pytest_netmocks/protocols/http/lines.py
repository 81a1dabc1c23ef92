"""Where in the stream a request begins, and its first line (RFC 9112, section 3).

The parser knows some methods and two versions. Whatever else the line says that is right by the grammar is taken down
here, and the parser gets one in its place that it knows.
"""

from __future__ import annotations

import re

from pytest_netmocks.protocols.web.heads import MAX_HEAD, Refused

_REGISTERED = (
    "ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD LABEL LINK LOCK MERGE MKACTIVITY "
    "MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PATCH POST PRI PROPFIND PROPPATCH PUT "
    "QUERY REBIND REPORT SEARCH TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL"
)
KNOWN = frozenset(_REGISTERED.split())
"""The methods in the registry of IANA: others are not implemented, unless a rule says so (RFC 9110, section 9.1)."""

_PASSED = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT"})
"""What every parser knows; any other is a POST to it, which has a body if the head says so and else none."""

_USUAL = (b"GET /", b"POST /", b"PUT /", b"HEAD /", b"DELETE /", b"PATCH /", b"OPTIONS /")
_EMPTY_LINES = re.compile(rb"(?:\r?\n)+")
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^\x00-\x20\x7f]+) HTTP/([0-9])\.([0-9])\r\n")

HEAD_END = b"\r\n\r\n"
"""What ends a head, and the trailers of chunks."""


PREFACE = b"PRI * HTTP/2.0\r\n"
"""The line that HTTP/2 begins with, so that who does not speak it takes it for a request (RFC 9113, section 3.4)."""


class InFramesError(Refused):
    """The client speaks HTTP/2."""


class FirstLine:
    """Reads the first line of a request; what it was, until the next one."""

    __slots__ = ("_held", "instead", "is_usual", "is_whole", "method", "target", "version")

    def __init__(self) -> None:
        self._held = bytearray()
        self.is_whole = False
        """Whether a line is there that is one by the grammar."""
        self.method = self.target = self.version = ""
        """What it says; empty where the parser has been given the line itself, and tells."""
        self.instead = b""
        """What the parser is to get in place of the line."""
        self.is_usual = False
        """Whether the parser has been given the line itself, of a method it knows and HTTP/1.1."""

    def passes(self, data: bytes, at: int) -> bool:
        """Whether a line begins there that the parser can be given as it is, which by far the most can."""
        if self._held or not data.startswith(_USUAL, at):
            return False
        end = data.find(b"\r\n", at)
        if end < 0 or not data.startswith(b" HTTP/1.1", end - 9):
            return False
        if not self.is_usual:
            self.method = self.target = self.version = ""
            self.instead = b""
            self.is_usual = True
        self.is_whole = True
        return True

    def read(self, data: bytes, at: int) -> int:
        """Read the line that begins there, if it does not pass; gives from where the parser is to get the data itself.

        Raises `Refused` for a version that is not spoken here and a line that is too long.
        """
        self.method = self.target = self.version = ""
        self.instead = b""
        self.is_usual = self.is_whole = False
        if not self._held and (empty := _EMPTY_LINES.match(data, at)) is not None:
            return empty.end()  # all at once: somebody may send nothing else
        end = data.find(b"\n", at) + 1
        self._held += data[at : end or len(data)]
        line = bytes(self._held).lstrip(b"\r\n")  # empty lines before it are ignored (RFC 9112, section 2.2)
        if len(line) > MAX_HEAD:
            _refuse_long(line)
        if end and not line:
            self._held.clear()
        elif end or not self._may_go_on(line):
            self._held.clear()
            found = _LINE.fullmatch(line)
            self.instead = line if found is None else self._taken(line, found)
        return end or len(data)

    def _may_go_on(self, line: bytes) -> bool:
        token = _TOKEN.match(line)
        end = token.end() if token is not None else 0
        # Of what is no line of HTTP the parser says so at once.
        return not line or bool(end and line[end : end + 1] in (b"", b" "))

    def _taken(self, line: bytes, found: re.Match[bytes]) -> bytes:
        method, target, major, minor = found.groups()
        self.is_whole = True
        self.method, self.target = method.decode(), target.decode("latin-1")
        self.version = f"{major.decode()}.{minor.decode()}"
        if line == PREFACE:
            raise InFramesError(505, "HTTP/2 is not spoken here")
        if major != b"1":
            raise Refused(505, f"HTTP/{self.version} is not spoken here")
        # A minor version that is not known is as the greatest that is (RFC 9110, section 2.5).
        if method in _PASSED and minor in b"01":
            return line
        return b"POST %b HTTP/1.%b\r\n" % (target, min(minor, b"1"))


def _refuse_long(line: bytes) -> None:
    """Refuse a line that is too long, by what makes it so (RFC 9112, section 3)."""
    if b" " in line[:MAX_HEAD]:
        raise Refused(414, f"the target is longer than {MAX_HEAD} bytes")
    raise Refused(501, f"the method is longer than {MAX_HEAD} bytes")


class Ends:
    """Finds where the message that is coming in may be at its end, so that what follows is looked at as a beginning."""

    __slots__ = ("tail",)

    def __init__(self) -> None:
        self.tail = b""
        """The last bytes so far, of an end that may come in pieces."""

    def begin(self, line: bytes) -> None:
        """A message begins, with a line that is not among the data, or none."""
        self.tail = line[-3:]

    def find(self, data: bytes, start: int) -> int:
        """Up to where the data belongs to it for sure: an empty line ends a head, and the trailers of chunks."""
        tail = self.tail
        if tail:
            end = (tail + data[start : start + 3]).find(HEAD_END)
            if end >= 0:
                self.tail = b""
                return start + end + 4 - len(tail)
        end = data.find(HEAD_END, start)
        if end >= 0:
            self.tail = b""
            return end + 4
        self.tail = (tail + data[max(start, len(data) - 3) :])[-3:]
        return len(data)
