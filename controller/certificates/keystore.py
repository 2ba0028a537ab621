"""A certificate and its key as Java takes them: PKCS12, made from the PEM pair. Pure but for random numbers, which differ in each one made:
so one that is there already and holds the same pair is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat, load_pem_private_key, pkcs12

from controller.certificates.authority import CertificateError, Pair, certificates_of, check_pair
from pools.encryption import KEYSTORE_PASSWORD, PREFIX

ENDING = ".p12"
ROUNDS = 1_000
"""Of the password's derivation; the password keeps nobody out."""


def keystore(pair: Pair) -> bytes:
    """CertificateError where the two don't belong together."""
    check_pair(pair)
    certificate, *chain = certificates_of(pair.certificate)
    key = load_pem_private_key(pair.key.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # our own authority's
    how = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(KEYSTORE_PASSWORD.encode())
    )
    return pkcs12.serialize_key_and_certificates(b"server", key, certificate, chain or None, how)


def holds(content: bytes, pair: Pair) -> bool:
    """Whether a keystore is that of ``pair``."""
    try:
        found = pkcs12.load_pkcs12(content, KEYSTORE_PASSWORD.encode())
    except (ValueError, UnsupportedAlgorithm):
        return False
    if found.cert is None or found.key is None:
        return False
    there = [found.cert.certificate, *(one.certificate for one in found.additional_certs)]
    return [one.public_bytes(Encoding.DER) for one in there] == [
        one.public_bytes(Encoding.DER) for one in certificates_of(pair.certificate)
    ]


def keystores(names: Iterable[str], values: Mapping[str, bytes]) -> dict[str, bytes]:
    """Of ``names`` (``tls-….p12``) those that are to be made, or made anew, by the pairs among ``values``. One whose pair is not there, or
    is none, is left as it is."""
    found: dict[str, bytes] = {}
    for name in names:
        stem = name.removesuffix(ENDING)
        certificate, key = values.get(f"{stem}.crt"), values.get(f"{stem}.key")
        if not name.startswith(PREFIX) or not name.endswith(ENDING) or certificate is None or key is None:
            continue
        pair = Pair(certificate.decode(), key.decode())
        try:
            if not holds(values.get(name, b""), pair):
                found[name] = keystore(pair)
        except CertificateError:
            continue
    return found
