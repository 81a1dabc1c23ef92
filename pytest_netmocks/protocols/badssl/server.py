"""`BadsslServer`: HTTPS as badssl.com has it, by its names: certificates, versions and ciphers that clients must mind.

See https://badssl.com and the configuration of its servers, github.com/chromium/badssl.com.
"""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Unpack

from pytest_netmocks import check
from pytest_netmocks.encryption import authority, groups
from pytest_netmocks.encryption.flaws import FLAWS
from pytest_netmocks.protocols.http.desk import HttpDesk
from pytest_netmocks.protocols.http.rules import HttpAnswer
from pytest_netmocks.protocols.http.server import HttpsServer
from pytest_netmocks.protocols.web.requests import HttpRequest
from pytest_netmocks.protocols.web.response import Response
from pytest_netmocks.servers.greeting import GreetingServer
from pytest_netmocks.servers.stream import StreamOptions

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclasses.dataclass(frozen=True)
class Site:
    """What one of badssl.com's names stands for: what `issue()` is told, what the server, and what is answered."""

    sentence: str
    certificate: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    server: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    names: int = 0
    """Names besides the usual."""
    group: str | None = None
    """Parameters of Diffie-Hellman."""
    wants_client: bool = False
    """Whether a client without a certificate gets 400, as nginx has it."""


def _flaw(name: str, **more: Any) -> Site:
    return Site(FLAWS[name].sentence, {name: True, **more})


def _version(version: str) -> Site:
    return Site(f"{version} and nothing else", server={"min_version": version, "max_version": version})


def _key(key_type: str, what: str) -> Site:
    return Site(f"good, with {what}", {"key_type": key_type})


def _digest(digest: str) -> Site:
    return Site(f"good, signed with {digest.upper().replace('SHA', 'SHA-')}", {"digest": digest})


def _ciphers(ciphers: str, sentence: str, **certificate: Any) -> Site:
    return Site(sentence, certificate, {"ciphers": ciphers, "max_version": "TLSv1.2"})


def _group(name: str, sentence: str) -> Site:
    server = {"ciphers": "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", "max_version": "TLSv1.2"}
    return Site(sentence, {"key_type": "rsa"}, server, group=name)


_CBC = "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA"
_CLIENT = Site("a client without a certificate gets 400", server={"client_cert": "optional"}, wants_client=True)

SITES: Mapping[str, Site] = MappingProxyType(
    {
        "expired": _flaw("expired"),
        "wrong.host": _flaw("wrong_host"),
        "self-signed": _flaw("self_signed"),
        "untrusted-root": _flaw("untrusted"),
        "revoked": _flaw("revoked"),
        "no-common-name": Site("good: the subject has no common name, and the names are enough"),
        "no-subject": _flaw("no_subject"),
        "incomplete-chain": _flaw("incomplete_chain"),
        "sha1-intermediate": _flaw("sha1_intermediate"),
        "sha1-2016": _flaw("sha1_signature", expired=True),
        "sha1-2017": _flaw("sha1_signature", expired=True),
        "sha256": _digest("sha256"),
        "sha384": _digest("sha384"),
        "sha512": _digest("sha512"),
        "1000-sans": Site("good, with a thousand names", names=1000),
        "10000-sans": _flaw("too_many_names"),
        "ecc256": _key("ecdsa", "a key on P-256"),
        "ecc384": _key("ecdsa-p384", "a key on P-384"),
        "rsa2048": _key("rsa", "an RSA key of 2048 bits"),
        "rsa4096": _key("rsa-4096", "an RSA key of 4096 bits"),
        "rsa8192": _key("rsa-8192", "an RSA key of 8192 bits, which takes many seconds to make"),
        "no-sct": Site("good, and in no log of Certificate Transparency"),
        "client": _CLIENT,
        "client-cert-missing": _CLIENT,
        "cbc": _ciphers(_CBC, "ciphers in CBC mode alone"),
        "rc4": _ciphers("RC4", "RC4 alone", key_type="rsa"),
        "rc4-md5": _ciphers("RC4-MD5", "RC4 with MD5 alone", key_type="rsa"),
        "3des": _ciphers("3DES", "3DES alone", key_type="rsa"),
        "null": _ciphers("eNULL:@SECLEVEL=0", "no encryption at all"),
        "static-rsa": _ciphers(
            "AES128-GCM-SHA256:AES256-GCM-SHA384", "RSA key exchange: no forward secrecy", key_type="rsa"
        ),
        "dh1024": _group("dh1024", "Diffie-Hellman over 1024 bits"),
        "dh2048": _group("dh2048", "good: Diffie-Hellman over 2048 bits"),
        "dh-composite": _group("dh-composite", "Diffie-Hellman over 1024 bits that are no prime"),
        "dh-small-subgroup": _group("dh-small-subgroup", "Diffie-Hellman in a subgroup of 160 bits"),
        "tls-v1-0": _version("TLSv1"),
        "tls-v1-1": _version("TLSv1.1"),
        "tls-v1-2": _version("TLSv1.2"),
        "mozilla-modern": Site("good: TLS 1.3 alone", server={"min_version": "TLSv1.3"}),
        "mozilla-intermediate": Site("good: TLS 1.2 and newer", server={"min_version": "TLSv1.2"}),
        "mozilla-old": Site("good: TLS 1.0 and newer", server={"min_version": "TLSv1"}),
        "hsts": Site(
            "good: HTTP Strict Transport Security (RFC 6797)",
            headers={"Strict-Transport-Security": "max-age=15768000; includeSubDomains"},
        ),
        "upgrade": Site(
            "good: insecure requests are to be upgraded",
            headers={"Content-Security-Policy": "upgrade-insecure-requests"},
        ),
    }
)

_PAGE = "it is about what a browser does with a page"
_LIST = "browsers have a list of their own for it"
_ROOT = 'to a client it is "untrusted-root"'
_SMALL = "OpenSSL offers no Diffie-Hellman below 1024 bits"

ELSEWHERE: Mapping[str, str] = MappingProxyType(
    {
        "extended-validation": _LIST,
        "pinning-test": _LIST,
        "preloaded-hsts": _LIST,
        "subdomain.preloaded-hsts": _LIST,
        "invalid-expected-sct": "it takes a log of Certificate Transparency",
        "dh480": _SMALL,
        "dh512": _SMALL,
        "http": "it has no TLS: netmocks.http()",
        **dict.fromkeys(("superfish", "edellroot", "dsdtestprovider", "preact-cli", "webpack-dev-server"), _ROOT),
        **dict.fromkeys(("captive-portal", "mitm-software"), _ROOT),
        **dict.fromkeys(("mixed", "mixed-script", "mixed-favicon", "very", "http-password", "http-login"), _PAGE),
        **dict.fromkeys(("http-dynamic-login", "http-credit-card", "http-textarea", "spoofed-favicon"), _PAGE),
        **dict.fromkeys(("lock-title", "long-extended-subdomain-name-containing-many-letters-and-dashes"), _PAGE),
    }
)
"""What badssl.com has and cannot be had here, and why."""


class BadsslDesk(HttpDesk):
    """What its sessions ask: the site's page comes below rules and mounts."""

    def __init__(self, server: GreetingServer, what: Site, page: str) -> None:
        super().__init__(server)
        self._what = what
        self._page = page

    def endpoint(self, request: HttpRequest) -> HttpAnswer | None:
        if request.path != "/":
            return None
        tls = request.connection.tls
        if self._what.wants_client and (tls is None or not tls.client_cert):
            response = Response(400, text="No required SSL certificate was sent\n")
        else:
            response = Response(200, text=self._page, headers=self._what.headers)
        return HttpAnswer(response, 0.0, False)


class BadsslServer(HttpsServer):
    """An HTTPS server with what badssl.com has under that name: `netmocks.badssl("incomplete-chain")`.

    Its certificate is for the names of loopback and for the site's own below badssl.com. `GET /` says what is wrong;
    rules come before it. Options of TLS that are given win over the site's. Raises `ValueError` for a name that it does
    not have or cannot have here, and says what it has.
    """

    def __init__(self, site: str, /, **options: Unpack[StreamOptions]) -> None:
        check.instance("site", site, str, "one of badssl.com's names")
        site = site.removesuffix(".badssl.com")
        what = SITES.get(site)
        if what is None:
            why = f"cannot be had here ({ELSEWHERE[site]})" if site in ELSEWHERE else "is none of badssl.com's names"
            raise ValueError(f"site {site!r} {why}{check.nearest(site, SITES)}")
        self.site = site
        """The name."""
        self.sentence = what.sentence
        """What is wrong, or good."""
        self._what = what
        ours = authority.shared()
        given: dict[str, Any] = {"name": f"{site}.badssl.com", **what.server}
        if "certificate" not in options:
            more = [f"{number}.badssl.com" for number in range(what.names)]
            given["certificate"] = ours.issue(*LOOPBACK, f"{site}.badssl.com", *more, **what.certificate)
        if what.group is not None:
            given["dh_params"] = ours.keep(f"{what.group}.pem", groups.pem(what.group))
        given.update(options)
        try:
            super().__init__(**given)
        except ValueError as error:
            if "ciphers" in options or "ciphers" not in str(error):
                raise
            text = f"site {site!r} cannot be had here: {ssl.OPENSSL_VERSION} was built without these ciphers"
            raise ValueError(f"{text}{check.nearest(site, set(SITES) - {site})}") from None

    def _make_desk(self) -> HttpDesk:
        return BadsslDesk(self, self._what, f"{self.site}.badssl.com: {self.sentence}\n")
