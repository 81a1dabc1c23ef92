"""`TlsSettings`: what a server offers of TLS, checked, and the contexts that come of it."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
import ssl
import warnings
from typing import Any, Literal

from pytest_netmocks import check
from pytest_netmocks.encryption.authority import Authority
from pytest_netmocks.encryption.certificate import LOWEST, Certificate
from pytest_netmocks.encryption.keys import KeyLog
from pytest_netmocks.encryption.options import TlsOptions
from pytest_netmocks.encryption.session import ServerContext, Session, listen

VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


@dataclasses.dataclass(frozen=True)
class TlsSettings:
    """What one server offers; `certificates` empty means the default one."""

    certificates: tuple[Certificate, ...] = ()
    client_cert: Literal["required", "optional"] | None = None
    min_version: str | None = None
    max_version: str | None = None
    alpn: tuple[str, ...] = ()
    ciphers: str | None = None
    tickets: bool = True
    key_log: str | None = None
    dh_params: str | None = None

    def contexts(self, authority: Authority, host: str) -> Contexts:
        """The contexts of a server on that host."""
        shown = self.certificates or (authority.default(host),)
        key_log = self.key_log or os.environ.get("SSLKEYLOGFILE") or None
        if key_log is not None:
            # The path means what it means here and now, and the file may be gone when the next server wants it.
            return Contexts(dataclasses.replace(self, certificates=shown, key_log=os.path.abspath(key_log)), authority)
        # The authority's own files stay what they are.
        versions = tuple(_version(path) for one in self.certificates for path in (one.cert_file, one.key_file))
        key = self, shown, versions
        found: Contexts | None = authority.contexts.get(key)
        if found is None:
            settings = dataclasses.replace(self, certificates=shown)
            found = authority.contexts[key] = Contexts(settings, authority)
        return found

    def context(self, shown: Certificate, authority: Authority) -> ServerContext:
        """A context that shows the certificate. Raises an `OSError` or `ValueError` that names what cannot be used."""
        context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            weak = shown.load_into(context)
        except ssl.SSLError as error:
            raise ValueError(
                f"certificate: {shown.cert_file!r} and {shown.key_file!r} are no certificate and its key: {error}"
            ) from None
        except OSError as error:
            where = f"{shown.cert_file}, {shown.key_file}"
            raise type(error)(error.errno, f"certificate: {error.strerror}", where) from None
        with warnings.catch_warnings():
            # That TLS 1.0 and 1.1 are out of date is why somebody tests with them.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = VERSIONS[self.min_version or self._lowest()]
            if self.max_version is not None:
                context.maximum_version = VERSIONS[self.max_version]
        if self.client_cert is not None:
            context.verify_mode = ssl.CERT_REQUIRED if self.client_cert == "required" else ssl.CERT_OPTIONAL
            context.load_verify_locations(authority.cert_file)
        if self.alpn:
            context.set_alpn_protocols(list(self.alpn))
        # What OpenSSL 3 does unless told otherwise: older ones let a client shake hands again and again.
        context.options |= ssl.OP_NO_RENEGOTIATION
        if not self.tickets:
            context.num_tickets = 0
            context.options |= ssl.OP_NO_TICKET
        outdated = weak or context.minimum_version < ssl.TLSVersion.TLSv1_2
        ciphers = self.ciphers or (LOWEST if outdated else None)
        if ciphers is not None and weak and "@SECLEVEL" not in ciphers:
            ciphers += ":@SECLEVEL=0"
        if ciphers is not None:
            try:
                context.set_ciphers(ciphers)
            except ssl.SSLError:
                raise ValueError(
                    f"ciphers must be a list in OpenSSL's notation with a cipher of TLS 1.2 or older, not {ciphers!r}"
                ) from None
        if self.dh_params is not None:
            self._load_group(context, self.dh_params)
        if self.key_log is not None:
            context.keylog_filename = self.key_log
        return context

    @staticmethod
    def _load_group(context: ServerContext, path: str) -> None:
        try:
            context.load_dh_params(path)
        except ssl.SSLError as error:
            raise ValueError(f"dh_params: {path!r} has no parameters that OpenSSL takes: {error}") from None
        except OSError as error:
            raise type(error)(error.errno, f"dh_params: {error.strerror}", path) from None

    def _lowest(self) -> str:
        order = list(VERSIONS)
        if self.max_version is not None and order.index(self.max_version) < order.index("TLSv1.2"):
            return self.max_version
        return "TLSv1.2"


def _version(path: str) -> tuple[object, ...]:
    """What tells a file from another that has its name later, or elsewhere."""
    try:
        found = os.stat(path)
    except OSError:
        return (path,)
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


_numbers = itertools.count(1)


class Contexts:
    """The contexts of one server: one for each certificate, of which the client's SNI chooses."""

    def __init__(self, settings: TlsSettings, authority: Authority, keys: KeyLog | None = None) -> None:
        self._settings = settings
        self._authority = authority
        self._keys = keys
        self._certificates = settings.certificates
        self._contexts = [settings.context(shown, authority) for shown in self._certificates]
        for context in self._contexts:
            listen(context, keys=keys is not None)

    @functools.cached_property
    def with_keys(self) -> Contexts:
        """The same for sessions that know their keys: in the key log that there is, or in one that is nobody else's."""
        path = self._settings.key_log
        own = path is None
        if path is None:
            path = self._authority.keep(f"keys-{next(_numbers)}.log", b"")
        settings = dataclasses.replace(self._settings, key_log=path)
        return Contexts(settings, self._authority, KeyLog(path, own=own))

    @property
    def first(self) -> ServerContext:
        """The context of the certificate that is shown to who asks for no name; who begins with it has all of these."""
        context = self._contexts[0]
        context.offer = self
        return context

    def session(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> Session:
        """The server's side of a new connection."""
        if not self._settings.tickets:
            # A context remembers sessions besides those of its tickets: a fresh one has none to resume.
            return Contexts(self._settings, self._authority, self._keys).wrap(incoming, outgoing)
        return self.wrap(incoming, outgoing)

    def wrap(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> Session:
        """As `session`, whether or not the contexts remember others."""
        session = self._contexts[0].wrap_bio(incoming, outgoing, server_side=True)
        assert isinstance(session, Session)
        session.choose = self._choose
        session.shown = self._certificates[0]
        session.keys = self._keys
        return session

    def _choose(self, session: Session, name: str) -> None:
        fitting = [index for index, shown in enumerate(self._certificates) if shown.fits(name)]
        if fitting and fitting[0] != 0:
            session.context = self._contexts[fitting[0]]
            session.shown = self._certificates[fitting[0]]


USUAL = TlsSettings()
"""Those of a server that was told nothing."""


def read(options: TlsOptions) -> TlsSettings:
    """The settings that the options ask for. Raises `TypeError` or `ValueError` that names the argument."""
    given = options.get("certificate")
    shown = tuple(given) if isinstance(given, (list, tuple)) else (given,) if given is not None else ()
    if given is not None and not shown:
        raise ValueError(f"certificate must be what tls_ca.issue() gives, or a list of those, not {given!r}")
    for certificate in shown:
        check.instance("certificate", certificate, Certificate, "what tls_ca.issue() gives, or a list of those")
        certificate.check_names()
    client_cert = options.get("client_cert")
    if client_cert is not None:
        check.one_of("client_cert", client_cert, ["required", "optional"])
    for name in ("min_version", "max_version"):
        version = options.get(name)
        if version is not None:
            check.one_of(name, version, VERSIONS)
    low, high = options.get("min_version"), options.get("max_version")
    if low is not None and high is not None and VERSIONS[low] > VERSIONS[high]:
        raise ValueError(f"min_version must not be newer than max_version={high!r}, not {low!r}")
    alpn = options.get("alpn", ())
    if not isinstance(alpn, (list, tuple)):
        raise TypeError(f'alpn must be a list of protocol names such as ["h2", "http/1.1"], not {alpn!r}')
    for protocol in alpn:
        check.instance("alpn", protocol, str, 'a list of protocol names such as ["h2", "http/1.1"]')
        if not 1 <= len(protocol.encode()) <= 255:
            raise ValueError(f"alpn must have names of 1 to 255 bytes (RFC 7301, section 3.1), not {protocol!r}")
    ciphers = options.get("ciphers")
    check.instance("ciphers", ciphers, (str, type(None)), "a list in OpenSSL's notation, or None")
    if ciphers is not None:
        check.not_empty("ciphers", ciphers, "a list in OpenSSL's notation, or None")
    check.instance("tickets", options.get("tickets", True), bool, "True or False")
    paths: dict[str, str | None] = {}
    for name in ("key_log", "dh_params"):
        path: Any = options.get(name)
        check.instance(name, path, (str, os.PathLike, type(None)), "a path or None")
        paths[name] = None if path is None else os.fspath(path)
        if path is not None:
            check.not_empty(name, os.fspath(path), "a path or None")
    return TlsSettings(
        shown,
        client_cert,
        low,
        high,
        tuple(alpn),
        ciphers,
        options.get("tickets", True),
        **paths,
    )
