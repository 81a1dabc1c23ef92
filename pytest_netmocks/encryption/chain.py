"""The certificates that a plan asks for: the leaf, and the intermediates between it and the root."""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pytest_netmocks import clock
from pytest_netmocks.encryption.flaws import WRONG_HOST, Plan

PEM = serialization.Encoding.PEM

RSA_WITH = {"sha256": b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", "sha1": b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"}
RSA_WITH["md5"] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04"
"""The identifiers of RSA signatures (RFC 8017, appendix A.2.4): of one length, so that one can replace another."""

WEAK: dict[str, Any] = {"sha1": hashes.SHA1(), "md5": hashes.MD5()}  # noqa: S303  # being weak is what they are for
STRONG: dict[str, Any] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


LONGEST = 64
"""Characters of a common name: ub-common-name of RFC 5280, appendix A.1."""


@dataclasses.dataclass(frozen=True)
class Issuer:
    """Who signs: its certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def identifier(self) -> x509.AuthorityKeyIdentifier:
        """What tells its certificates from those of another of its name."""
        own = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own.value)


def make(plan: Plan, names: Sequence[str], root: Any) -> tuple[list[bytes], bytes]:
    """The chain as a server shows it and the leaf's key, in PEM. `root` is a trustme authority.

    Raises `ValueError` for names that are none.
    """
    shown = (WRONG_HOST,) if plan.wrong_names else names
    model = x509.load_pem_x509_certificate(root.issue_cert(*shown).cert_chain_pems[0].bytes())
    issuer = Issuer(
        x509.load_pem_x509_certificate(root.cert_pem.bytes()),
        serialization.load_pem_private_key(root.private_key_pem.bytes(), None),
    )
    above: list[x509.Certificate] = []
    for number in range(plan.intermediates):
        issuer = _intermediate(plan, number, issuer)
        above.insert(0, issuer.certificate)
    key = _key(plan.key_type)
    leaf = _leaf(plan, model, shown, key, None if plan.self_signed else issuer)
    sent = {"all": above, "leaf": [], "reversed": above[::-1]}[plan.sent]
    return [leaf.public_bytes(PEM), *(one.public_bytes(PEM) for one in sent)], key.private_bytes(
        PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _key(kind: str) -> Any:
    if kind == "ecdsa":
        return ec.generate_private_key(ec.SECP256R1())
    if kind == "ecdsa-p384":
        return ec.generate_private_key(ec.SECP384R1())
    bits = int(kind.partition("-")[2] or 2048)
    return _rsa(bits) if bits <= 2048 else _large(bits)


def _rsa(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@functools.cache
def _large(bits: int) -> rsa.RSAPrivateKey:
    """One key for all: it takes seconds to find."""
    return _rsa(bits)


def _intermediate(plan: Plan, number: int, above: Issuer) -> Issuer:
    last = number == plan.intermediates - 1
    # What signs with a weak hash has an RSA key, whose signatures are of one length.
    weak = plan.digest in WEAK or plan.issuer_digest in WEAK
    key = _rsa(2048) if weak else ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"Intermediate CA {number + 1}")
    model = above.certificate
    builder = x509.CertificateBuilder(
        model.subject,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        model.not_valid_before_utc.replace(tzinfo=None),
        model.not_valid_after_utc.replace(tzinfo=None),
    )
    is_authority = plan.issuer_is_authority or not last
    path_length = plan.first_path_length if number == 0 else None
    builder = builder.add_extension(x509.BasicConstraints(is_authority, path_length), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(above.identifier, critical=False)
    builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True, digital_signature=True), critical=True)
    if plan.issuer_names is not None and last:
        only = x509.NameConstraints([x509.DNSName(plan.issuer_names)], None)
        builder = builder.add_extension(only, critical=True)
    digest = plan.issuer_digest if last else "sha256"
    return Issuer(_sign(builder, above.key, digest), key)


def _leaf(
    plan: Plan, model: x509.Certificate, names: Sequence[str], key: Any, issuer: Issuer | None
) -> x509.Certificate:
    """The model with another key, issuer and validity, and what the plan wants otherwise."""
    mine = _subject(names) if plan.has_subject else x509.Name([])
    begin, end = model.not_valid_before_utc.replace(tzinfo=None), model.not_valid_after_utc.replace(tzinfo=None)
    if plan.days is not None:
        begin, end = (clock.utc() + days * datetime.timedelta(days=1) for days in plan.days)
    above = issuer.certificate.subject if issuer is not None else mine
    builder = x509.CertificateBuilder(above, mine, key.public_key(), model.serial_number, begin, end)
    for extension in model.extensions:
        value: Any = extension.value
        if isinstance(value, (x509.AuthorityKeyIdentifier, x509.SubjectKeyIdentifier)):
            continue
        if isinstance(value, x509.SubjectAlternativeName):
            if not plan.shows_names:
                continue
            more = [x509.DNSName(f"{number}.more.invalid") for number in range(plan.more_names)]
            value = x509.SubjectAlternativeName([*value, *more])
        if isinstance(value, x509.ExtendedKeyUsage) and not plan.for_servers:
            value = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        if isinstance(value, x509.KeyUsage) and not plan.may_sign:
            value = _usage(content_commitment=True)
        builder = builder.add_extension(value, extension.critical)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if issuer is not None:
        builder = builder.add_extension(issuer.identifier, critical=False)
    return _sign(builder, issuer.key if issuer is not None else key, plan.digest)


def _subject(names: Sequence[str]) -> x509.Name:
    """The first name that is short enough is the common name: some clients want one, whatever RFC 9525 says."""
    short = next((name for name in names if len(name) <= LONGEST), "")
    return _name(short, NameOID.COMMON_NAME) if short else _name("a name too long for a subject")


def _name(text: str, kind: x509.ObjectIdentifier = NameOID.ORGANIZATIONAL_UNIT_NAME) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "pytest-netmocks"), x509.NameAttribute(kind, text)])


def _usage(**allowed: bool) -> x509.KeyUsage:
    known = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    known += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{name: allowed.get(name, False) for name in known})


def _sign(builder: x509.CertificateBuilder, key: Any, digest: str) -> x509.Certificate:
    if digest in STRONG:
        return builder.sign(key, STRONG[digest])
    # cryptography signs no certificate with a weak hash: its signature is replaced, and what it says of it.
    good = builder.sign(key, STRONG["sha256"])
    says = good.tbs_certificate_bytes
    said = says.replace(RSA_WITH["sha256"], RSA_WITH[digest], 1)
    signature = key.sign(said, padding.PKCS1v15(), WEAK[digest])
    der = good.public_bytes(serialization.Encoding.DER)
    head, tail = der[: der.index(says)], der[der.index(says) + len(says) : -len(signature)]
    return x509.load_der_x509_certificate(head + said + tail.replace(RSA_WITH["sha256"], RSA_WITH[digest]) + signature)
