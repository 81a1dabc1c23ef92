"""`Certificate`: a certificate and its key as files, and what can be wrong with one."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from pytest_netmocks import check, clock

if TYPE_CHECKING:
    from typing import Literal

    KeyType = Literal["ecdsa", "rsa"]

KEY_TYPES = ("ecdsa", "rsa")

WRONG_HOST = "wrong.host.invalid"
"""The name on a certificate for another host; RFC 2606 keeps `.invalid` from ever being anybody's."""


class IssueOptions(TypedDict, total=False):
    """The options of `Authority.issue`."""

    expired: bool
    not_yet_valid: bool
    self_signed: bool
    untrusted: bool
    wrong_host: bool
    revoked: bool
    key_type: KeyType


FLAWS = ("expired", "not_yet_valid", "self_signed", "untrusted", "wrong_host", "revoked")


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate with its chain in `cert_file` and its private key in `key_file`, both PEM.

    `names` are those that it was issued for, and choose it where a server has several. One that somebody else made
    can be given to a server too.
    """

    cert_file: str
    key_file: str
    names: tuple[str, ...] = ()

    @property
    def cert_pem(self) -> bytes:
        """The certificate and its chain."""
        with open(self.cert_file, "rb") as file:
            return file.read()

    @property
    def der(self) -> bytes:
        """The certificate itself in binary form, which is what clients pin."""
        import ssl  # not before there is TLS

        end = "-----END CERTIFICATE-----"
        return ssl.PEM_cert_to_DER_cert(self.cert_pem.decode("ascii").partition(end)[0] + end)

    def fits(self, name: str) -> bool:
        """Whether a client that asks for the name may be given this one (RFC 6125, section 6.4.3)."""
        name = _ascii(name).rstrip(".")
        parent = name.partition(".")[2]
        return any(_ascii(own) in (name, f"*.{parent}") for own in self.names)

    def check_names(self) -> None:
        """Refuse a name that none can ask for: a handshake is too late to say so."""
        for name in self.names:
            try:
                _ascii(name)
            except ValueError as error:
                raise ValueError(f"certificate has a name that is none: {name!r} ({error})") from None


def _ascii(name: str) -> str:
    """The name as it goes over the wire, in lower case (RFC 5891, section 4)."""
    if name.isascii():
        return name.lower()
    import idna  # trustme needs it too, and few names do

    labels = name.lower().split(".")
    return ".".join(label if label.isascii() else idna.encode(label).decode() for label in labels)


def check_options(names: Sequence[object], options: IssueOptions) -> None:
    """Refuse wrong names and options, naming them."""
    if not names:
        raise ValueError("names must have at least one host name, address or e-mail address, not ()")
    for name in names:
        check.instance("names", name, str, "host names, addresses or e-mail addresses")
        check.not_empty("names", str(name), "a host name, an address or an e-mail address")
    for option, value in options.items():
        if option not in IssueOptions.__annotations__:
            raise TypeError(f"issue() takes no {option!r}{check.nearest(option, IssueOptions.__annotations__)}")
        if option in FLAWS:
            check.instance(option, value, bool, "True or False")
    check.one_of("key_type", options.get("key_type", "ecdsa"), KEY_TYPES)
    if options.get("expired") and options.get("not_yet_valid"):
        raise ValueError("expired=True and not_yet_valid=True contradict each other: give one of them")
    if options.get("revoked") and (options.get("untrusted") or options.get("self_signed")):
        raise ValueError("revoked=True is this authority's word, so it goes with neither untrusted= nor self_signed=")


def validity(options: IssueOptions) -> tuple[datetime.datetime | None, datetime.datetime | None]:
    """The dates between which it is valid; `None` leaves them to who makes it."""
    now = clock.utc()
    day = datetime.timedelta(days=1)
    if options.get("expired"):
        return now - 30 * day, now - day
    if options.get("not_yet_valid"):
        return now + day, now + 30 * day
    return None, None


def self_signed(cert_pem: bytes, key_pem: bytes) -> bytes:
    """The same certificate, signed by its own key instead of an authority's."""
    from cryptography import x509  # as above
    from cryptography.hazmat.primitives import hashes, serialization

    model = x509.load_pem_x509_certificate(cert_pem)
    key: Any = serialization.load_pem_private_key(key_pem, None)
    builder = x509.CertificateBuilder(
        model.subject,
        model.subject,
        model.public_key(),
        model.serial_number,
        model.not_valid_before_utc.replace(tzinfo=None),
        model.not_valid_after_utc.replace(tzinfo=None),
    )
    for extension in model.extensions:
        if not isinstance(extension.value, x509.AuthorityKeyIdentifier):
            builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
