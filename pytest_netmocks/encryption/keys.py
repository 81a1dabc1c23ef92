"""`KeyLog`: the secrets of handshakes, as OpenSSL writes them into a file and in no other way.

The lines are in the format of NSS, `LABEL client_random secret` (draft-ietf-tls-keylogfile).
"""

from __future__ import annotations

import os
import threading

MOST = 1000
"""Handshakes whose lines wait for somebody to ask: a log may be others' too."""

LARGEST = 1 << 20
"""Bytes of a file of our own after which it begins anew."""


class KeyLog:
    """Reads what is appended to one key log."""

    def __init__(self, path: str, *, own: bool) -> None:
        self._path = path
        self._own = own
        self._lock = threading.Lock()
        self._waiting: dict[str, list[str]] = {}
        """Lines by client random."""
        self._rest = b""
        """The beginning of a line."""
        try:
            self._at = os.stat(path).st_size
        except OSError:
            self._at = 0

    def take(self, random: bytes) -> str:
        """The lines of the handshake with that client random which nobody took yet; empty if there are none."""
        with self._lock:
            self._read()
            # A client of this process may write the same into a log that both share.
            return "".join(f"{line}\n" for line in dict.fromkeys(self._waiting.pop(random.hex(), ())))

    def _read(self) -> None:
        try:
            with open(self._path, "rb") as file:
                file.seek(self._at)
                data = file.read()
        except OSError:  # somebody has removed it
            return
        self._at += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            words = line.decode("ascii", "replace").split()
            if len(words) == 3 and not words[0].startswith("#"):
                self._waiting.setdefault(words[1].lower(), []).append(" ".join(words))
        while len(self._waiting) > MOST:
            del self._waiting[next(iter(self._waiting))]
        if self._own and self._at > LARGEST:
            os.truncate(self._path, 0)  # OpenSSL appends
            self._at = 0
