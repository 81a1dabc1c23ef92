"""`Authority`: a certificate authority of the process's own, made when it is first asked for and gone at its end."""

from __future__ import annotations

import atexit
import ssl
import threading
import weakref
from typing import Any, Unpack

from pytest_netmocks import check, clock, modules, scope
from pytest_netmocks.encryption import certificate as certificates
from pytest_netmocks.encryption import flaws
from pytest_netmocks.encryption.certificate import Certificate, IssueOptions
from pytest_netmocks.encryption.directory import Directory
from pytest_netmocks.strict import Strict

USUAL = ("localhost", "127.0.0.1", "::1")
"""The names that a default certificate is good for, besides the server's host."""


class Authority(Strict):
    """A certificate authority (ECDSA, P-256): a client that trusts `cert_file` trusts what it issues.

    Its files are in a directory of its own that only the owner can open, private keys 0600, and `close()`, the end of
    the session or of the process removes them.
    """

    def __init__(self) -> None:
        self._trustme = _load()
        self._ca = self._trustme.CA(organization_name="pytest-netmocks")
        self._others: list[Any] = []
        self._files = Directory()
        self._lock = threading.RLock()
        self._issued = 0
        self._revoked: list[int] = []
        self._default: dict[str, Certificate] = {}
        self._contexts: weakref.WeakKeyDictionary[object, dict[Certificate | None, ssl.SSLContext]]
        self._contexts = weakref.WeakKeyDictionary()
        self.contexts: dict[object, Any] = {}
        """What servers show, by their settings: contexts are dear, and the same for all that have the same."""
        try:
            self._cert_file = self._files.write("ca.pem", self.cert_pem)
        except BaseException:
            self._files.close()
            raise

    @property
    def cert_file(self) -> str:
        """The path of its own certificate (PEM), as `verify=` and `--cacert` take it."""
        return self._cert_file

    @property
    def cert_pem(self) -> bytes:
        """Its own certificate (PEM)."""
        pem: bytes = self._ca.cert_pem.bytes()
        return pem

    @property
    def crl_file(self) -> str:
        """The path of its revocation list (PEM, RFC 5280 section 5) as it is now: for clients that check it."""
        return self._files.write("crl.pem", self._revocations())

    def issue(self, *names: str, **options: Unpack[IssueOptions]) -> Certificate:
        """A certificate for the names: hosts, wildcards (`"*.api.test"`), addresses, e-mail addresses.

        It is good as a server's and as a client's, unless an option says what is wrong with it: `expired`,
        `not_yet_valid`, `wrong_host`, `self_signed`, `untrusted`, `revoked` (in `crl_file`), `incomplete_chain`,
        `reversed_chain`, `long_chain`, `path_length`, `issuer_not_ca`, `name_constraints`, `wrong_usage`,
        `wrong_key_usage`, `weak_key`, `sha1_signature`, `md5_signature`, `sha1_intermediate`, `no_names`, `no_subject`
        or `too_many_names`. `intermediates` is how many authorities (0 to 9) stand between it and this one. `key_type`
        is `"ecdsa"` (P-256), `"ecdsa-p384"`, `"rsa"` (2048 bits) or `"rsa-1024"` to `"rsa-8192"`, where large ones take
        seconds and are made once; `digest`, the hash that is signed, is `"sha256"`, `"sha384"` or `"sha512"`.
        Raises `ValueError` or `TypeError` for wrong names and options, and for flaws that contradict each other.
        """
        certificates.check_options(names, options)
        plan = flaws.plan(options)
        from pytest_netmocks.encryption import chain  # loads cryptography

        try:
            pems, key = chain.make(plan, names, self._unknown() if plan.root == "unknown" else self._ca)
        except ValueError as error:
            accepted = "host names, addresses or e-mail addresses"
            raise ValueError(f"names must be {accepted}, not {names!r}: {error}") from None
        with self._lock:
            self._issued += 1
            number = self._issued
            if plan.revoked:
                self._revoked.append(_serial(pems[0]))
        return Certificate(
            self._files.write(f"{number}.pem", b"".join(pems)), self._files.write(f"{number}.key", key), tuple(names)
        )

    def _unknown(self) -> Any:
        """An authority that is in nobody's trust."""
        with self._lock:
            if not self._others:
                self._others.append(self._trustme.CA(organization_name="unknown to all"))
            return self._others[0]

    def default(self, host: str) -> Certificate:
        """The certificate of a server that was given none: good for the usual names of loopback and for its host."""
        with self._lock:
            wanted = host if host not in ("", "0.0.0.0", "::", *USUAL) else ""  # noqa: S104  # nothing is bound here
            if wanted not in self._default:
                self._default[wanted] = self.issue(*USUAL, *([wanted] if wanted else []))
            return self._default[wanted]

    def client_context(self, certificate: Certificate | None = None) -> ssl.SSLContext:
        """A context for clients that trusts this authority alone, with a client certificate if one is given.

        It is the same for every call of a test with the same certificate, and fresh in the next test. It writes the
        key log that `SSLKEYLOGFILE` asks for.
        """
        check.instance("certificate", certificate, (Certificate, type(None)), "what tls_ca.issue() gives, or None")
        with self._lock:
            mine = self._contexts.setdefault(scope.current, {})
            if certificate not in mine:
                context = ssl.create_default_context(cafile=self.cert_file)
                if certificate is not None:
                    certificate.load_into(context)
                mine[certificate] = context
            return mine[certificate]

    def keep(self, name: str, data: bytes) -> str:
        """Put a file beside its own, for as long; gives the path."""
        return self._files.write(name, data)

    def close(self) -> None:
        """Remove its files; in a forked child they are the parent's and stay."""
        self._files.close()

    def _revocations(self) -> bytes:
        import datetime

        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization

        issuer = x509.load_pem_x509_certificate(self.cert_pem)
        key: Any = serialization.load_pem_private_key(self._ca.private_key_pem.bytes(), None)
        now = clock.utc()
        day = datetime.timedelta(days=1)
        builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.subject)
        builder = builder.last_update(now - day).next_update(now + 30 * day)
        for serial in self._revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - day)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _load() -> Any:
    """trustme, and with it cryptography: not before there is TLS. Raises `ImportError` where it cannot be used."""
    modules.bring_back()
    try:
        import trustme
        from cryptography.hazmat.primitives.asymmetric import ec

        ec.generate_private_key(ec.SECP256R1())  # a second copy loads, and then knows no curve of its own
    except (ImportError, TypeError) as error:
        raise ImportError(
            f"TLS needs trustme and cryptography, and they do not work here ({error}). A process can load cryptography "
            "once only: if this is a pytest run within another's process, load the netmocks plugin in the outer one, "
            "import cryptography there, or use pytester.runpytest_subprocess()"
        ) from error
    return trustme


def _serial(pem: bytes) -> int:
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem).serial_number


_shared: list[Authority] = []
_lock = threading.Lock()


def shared() -> Authority:
    """The process's authority, made now if there is none."""
    with _lock:
        if not _shared:
            _shared.append(Authority())
        return _shared[0]


def close() -> None:
    """Remove the files of the process's authority, if there is one; the next call of `shared` makes another."""
    with _lock:
        while _shared:
            _shared.pop().close()


atexit.register(close)
