"""A small certificate authority: makes itself, issues server certificates. Pure but for random numbers: the time comes from outside.

ECDSA on P-256 throughout, which libpq, gRPC, Java and OpenSSL all take. A server's key never leaves the cluster, so there are no requests:
key and certificate are made together.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROOM = datetime.timedelta(hours=1)
"""So much before now a certificate begins: clocks of other machines may be behind."""
DAY = datetime.timedelta(days=1)
COMMON_NAME = 64
"""Characters that X.509 allows."""


class CertificateError(ValueError):
    """What was given is no certificate or key, or the two don't belong together; the message says which."""


@dataclass(frozen=True)
class Pair:
    """A certificate (with its chain) and its private key, both PEM."""

    certificate: str
    key: str = field(repr=False)


def new_authority(name: str, now: datetime.datetime, days: int) -> Pair:
    """A root certificate that signs servers' certificates only."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name)
    usage = _usage(key_cert_sign=True, crl_sign=True)
    built = (
        _builder(subject, subject, key.public_key(), now, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Pair(_pem(built.sign(key, hashes.SHA256())), _key_pem(key))


def issue(authority: Pair, name: str, hosts: Iterable[str], now: datetime.datetime, days: int) -> Pair:
    """A server's certificate for ``hosts`` (names and IP addresses), never longer than its authority. CertificateError."""
    signer = certificate_of(authority.certificate)
    signing = _private_key(authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    built = (
        _builder(_subject(name), signer.subject, key.public_key(), now, days, signer.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    return Pair(_pem(built.sign(signing, hashes.SHA256())), _key_pem(key))


def certificate_of(pem: str) -> x509.Certificate:
    """The first certificate of a PEM text. CertificateError."""
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"it holds no certificate in PEM form ({error})") from None


def certificates_of(pem: str) -> list[x509.Certificate]:
    """All of them. CertificateError where there is none."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"it holds no certificate in PEM form ({error})") from None


def check_pair(pair: Pair) -> None:
    """CertificateError where the key is none, or not that of the certificate."""
    try:
        key = load_pem_private_key(pair.key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"the key can't be read: {error}") from None
    given = certificate_of(pair.certificate).public_key()
    if _public_bytes(key.public_key()) != _public_bytes(given):
        raise CertificateError("the key does not belong to the certificate")


def signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether ``authority`` made it."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def hosts_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Names and addresses that it is good for."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return (*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress)))


def name_of(certificate: x509.Certificate) -> str:
    """The common name of its subject, or the whole subject."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of its DER form, as ``AB:CD:…``."""
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest().upper()
    return ":".join(digest[place : place + 2] for place in range(0, len(digest), 2))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
    days: int,
    latest: datetime.datetime | None = None,
) -> x509.CertificateBuilder:
    until = now + days * DAY
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - ROOM)
        .not_valid_after(until if latest is None else min(until, latest))
    )


def _usage(*, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "OpenBDC"), x509.NameAttribute(NameOID.COMMON_NAME, name[:COMMON_NAME])]
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    try:
        found = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"the authority's key can't be read: {error}") from None
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise CertificateError("the authority's key is of another kind")
    return found


def _public_bytes(key: object) -> bytes:
    made: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined] # of any kind
    return made


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
