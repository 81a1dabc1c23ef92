"""URLs with paths, for the servers whose clients ask for one."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from pytest_netmocks import check
from pytest_netmocks.servers.view import View

WITH_PATHS = ("http", "https", "ws", "wss")
"""The schemes whose URLs have paths here."""

_SAFE = "/:@!$&'()*+,;=~%-._"
"""What stands in a path as it is (RFC 3986, section 3.3)."""

_BARE = re.compile(r"%(?![0-9A-Fa-f]{2})")
"""A percent sign that encodes nothing."""


class UrlFor(View):
    """The word for a URL with a path and a query."""

    def url_for(self, path: str, /, **query: Any) -> str:
        """The URL of a path, with a query: `url_for("/users/1", q="a b")`; of `""` it is the server's own.

        What is percent-encoded in the path stays so: `/a%2Fb` is one segment, as in the path of a rule, and `%3F` a
        question mark. Raises `TypeError` or `ValueError` for what is no path, and where the server's URLs have none.
        """
        if self.scheme not in WITH_PATHS:
            raise ValueError(f"{self.url} has no paths: url_for() is for {', '.join(WITH_PATHS)}")
        check.instance("path", path, str, "text")
        if path and not path.startswith("/"):
            raise ValueError(f"path must begin with a slash, not {path!r}")
        if "?" in path:
            bare, _, asked = path.partition("?")
            example = ", ".join(f"{name}={value!r}" for name, value in parse_qsl(asked) if name.isidentifier())
            raise ValueError(
                f"path has a query, {path!r}: say url_for({bare!r}, {example or '...'}), "
                "and %3F for a question mark that belongs to the path"
            )
        text = f"{self.url}{quote(_BARE.sub('%25', path), safe=_SAFE)}"
        return f"{text}?{urlencode(query, doseq=True)}" if query else text
