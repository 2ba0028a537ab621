"""Keys of a test cluster: one authority, certificates for its servers, and a kubeconfig for each of its clients."""

from __future__ import annotations

import base64
import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=30)

CLIENTS: dict[str, tuple[str | None, str]] = {
    "admin": ("system:masters", "admin"),
    "apiserver-kubelet": ("system:masters", "kube-apiserver-kubelet"),
    "coredns": ("system:masters", "coredns"),
    "kcm": (None, "system:kube-controller-manager"),
    "node": ("system:nodes", "system:node:node"),
    "proxy": (None, "system:kube-proxy"),
    "scheduler": (None, "system:kube-scheduler"),
    "front-proxy": (None, "front-proxy"),
}
"""File name → organisation (Kubernetes: group) and common name (user)."""

SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
    data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
)  # fmt: skip

NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")


@dataclass(frozen=True)
class Authority:
    """Writes into ``folder``: ``NAME.key``, ``NAME.crt`` and, for clients, ``NAME.kubeconfig``."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def sign(self, name: str, subject: x509.Name, usage: x509.ObjectIdentifier, names: list[x509.GeneralName]) -> None:
        """One key and its certificate."""
        key = new_key(self.folder / f"{name}.key")
        made = described(subject, self.certificate.subject, key, self.key)
        made = made.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if names:
            made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
        (self.folder / f"{name}.crt").write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def kubeconfig(self, name: str, server: str) -> str:
        """For the client ``name``, with its key inside."""

        def data(file: str) -> str:
            return base64.b64encode((self.folder / file).read_bytes()).decode()

        return f"""apiVersion: v1
kind: Config
clusters: [{{name: test, cluster: {{server: "{server}", certificate-authority-data: {data("ca.crt")}}}}}]
users: [{{name: {name}, user: {{client-certificate-data: {data(f"{name}.crt")}, client-key-data: {data(f"{name}.key")}}}}}]
contexts: [{{name: test, context: {{cluster: test, user: {name}}}}}]
current-context: test
"""


def new_key(file: Path) -> ec.EllipticCurvePrivateKey:
    """A new key, written to ``file`` (owner only)."""
    key = ec.generate_private_key(ec.SECP256R1())
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    return key


def named(common: str, organisation: str | None = None) -> x509.Name:
    """A subject."""
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    return x509.Name([*([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []), *parts])


def described(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    """What all certificates have in common, also for clients that verify strictly."""
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )  # fmt: skip


def write(folder: Path, node_ip: str, server: str) -> None:
    """Everything that a cluster needs; ``server`` is the address in the kubeconfigs."""
    folder.mkdir(mode=0o700, parents=True)
    key, subject = new_key(folder / "ca.key"), named("test-ca")
    own = described(subject, subject, key, key).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    own = own.add_extension(SIGNS_CERTIFICATES, critical=True)
    authority = Authority(folder, key, own.sign(key, hashes.SHA256()))
    (folder / "ca.crt").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    public = new_key(folder / "sa.key").public_key()
    (folder / "sa.pub").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "10.96.0.1", node_ip)]
    authority.sign("apiserver", named("kube-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH, [*map(x509.DNSName, NAMES), *addresses])
    for name, (group, user) in CLIENTS.items():
        authority.sign(name, named(user, group), ExtendedKeyUsageOID.CLIENT_AUTH, [])
        (folder / f"{name}.kubeconfig").write_text(authority.kubeconfig(name, server))
