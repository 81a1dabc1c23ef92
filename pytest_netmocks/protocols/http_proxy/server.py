"""`HttpProxyServer`: a forward proxy that connects to what the test has, and to nothing else."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from typing import Any

from pytest_netmocks.matchers import ANY_PATH
from pytest_netmocks.protocols.http.desk import HttpDesk
from pytest_netmocks.protocols.http.lines import KNOWN
from pytest_netmocks.protocols.http.match import HttpMatch
from pytest_netmocks.protocols.http.rules import HttpAnswer, HttpRule, Matching, Serve
from pytest_netmocks.protocols.http.server import HttpServer
from pytest_netmocks.protocols.http.tunnel import Tunnel
from pytest_netmocks.protocols.http_proxy.forward import Forward
from pytest_netmocks.protocols.tunnel.destinations import ForbiddenError, Found
from pytest_netmocks.protocols.tunnel.forwarder import Forwarder
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.rules.base import Verdict

REALM = 'Basic realm="netmocks"'

AUTHORITY = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<host>[^\[\]:@]+)):(?P<port>[0-9]{1,5})")
"""What CONNECT connects to (RFC 9112, section 3.2.3)."""


class ProxyDesk(HttpDesk):
    """As an HTTP server's; what no rule answers is passed on, and who has not logged in gets 407."""

    def __init__(self, server: HttpProxyServer) -> None:
        super().__init__(server)
        self._proxy = server
        self._destinations = server.destinations
        self._tunnel = Tunnel(self._find, self.keep_wire)
        self._forward = Forward(server.destinations)

    @functools.cached_property
    def _login(self) -> HttpRule:
        """What answers who has not logged in."""
        rule = HttpRule(self, HttpMatch((ANY_PATH,)))
        return rule.reply(407, text="this proxy wants a login\n", headers={"Proxy-Authenticate": REALM})

    def decide(self, request: HttpRequest, matching: Matching) -> Verdict[HttpRule]:
        if self._proxy.users and not self._is_known(request):
            if "proxy-authorization" in request.headers:
                self._proxy.login_failed(request.connection)
            return Verdict(self._login, None, [])
        return super().decide(request, matching)

    def _is_known(self, request: HttpRequest) -> bool:
        scheme, _, given = request.headers.get("proxy-authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(given.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        users = self._proxy.users
        return scheme.lower() == "basic" and users.get(user) == password and user in users

    def fallback(self, request: HttpRequest) -> HttpAnswer | Serve:
        if request.method == "CONNECT":
            return self._tunnel.serve
        if "://" in request.target.partition("?")[0]:
            return self._forward.serve
        return super().fallback(request)

    async def _find(self, request: HttpRequest) -> Found:
        found = AUTHORITY.fullmatch(request.target)
        if found is None or not 0 < int(found["port"]) < 65536:
            raise ForbiddenError("malformed", f"{request.target[:1000]} is no host:port to connect to")
        return await self._destinations.find(found["six"] or found["host"], int(found["port"]))


class HttpProxyServer(Forwarder, HttpServer):
    """A forward proxy of HTTP: requests in absolute form and CONNECT (RFC 9112, section 3.2; RFC 9110, section 9.3.6).

    With `users` (names to passwords) clients log in by Basic, else they get 407. It connects to loopback, to `names`
    (as `netmocks.names` takes them) and to the test's names that are in force, elsewhere only with `anywhere=True`,
    else the answer is 403. Where nobody listens it is 502. Rules, mounted applications and directories come first, as
    on an HTTP server; `environ` is for child processes.
    """

    lets_log_in = True
    versions = ("1.1",)
    in_frames = False

    @property
    def environ(self) -> dict[str, str]:
        """What a child process is to have in its environment so that its clients go through here.

        Clients that read them trust the session's authority. Raises `ValueError` where it listens on a UNIX socket.
        """
        if self.path is not None:
            raise ValueError(f"the variables for proxies have a host and a port, and {self!r} listens on a UNIX socket")
        url = self.url
        names = [name for name in ("http_proxy", "https_proxy", "all_proxy") for name in (name, name.upper())]
        trust = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), self.ca.cert_file)
        return dict.fromkeys(names, url) | {"no_proxy": "", "NO_PROXY": ""} | trust

    def when(self, *what: Any, **criteria: Any) -> HttpRule:
        """Begin a rule as on an HTTP server; `when("CONNECT")` is for every tunnel, whose bytes its faults count."""
        if len(what) == 1 and isinstance(what[0], str) and what[0].upper() in KNOWN:
            what = (what[0], ANY_PATH)
        return super().when(*what, **criteria)

    def _make_desk(self) -> HttpDesk:
        return ProxyDesk(self)
