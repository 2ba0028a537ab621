"""Root certificates of a source: text only, and libpq checks the server against them."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.patience import PATIENCE
from virtualization import certificates
from virtualization.catalog import Credential, DataSource
from virtualization.connectors.postgresql import PostgresqlConnector
from virtualization.connectors.postgresql.options import settings
from virtualization.errors import DefinitionError, SourceError


def made_certificate(common_name: str = "localhost") -> tuple[bytes, bytes]:
    """Self-signed for ``localhost``: certificate and key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    kept = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return made.public_bytes(serialization.Encoding.PEM), kept


@dataclass
class TlsServer:
    """Speaks PostgreSQL up to the end of the TLS handshake, and remembers whether the client went that far."""

    port: int
    certificate: str
    trusted: int = 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TlsServer]:
    certificate, key = made_certificate()
    (tmp_path / "server.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        found = TlsServer(listening.getsockname()[1], certificate.decode())

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    client.settimeout(PATIENCE)
                    client.recv(8)  # SSLRequest
                    client.sendall(b"S")
                    try:
                        with context.wrap_socket(client, server_side=True) as secured:
                            found.trusted += bool(secured.recv(100))  # the startup packet, sent to a server that is believed only
                    except OSError:
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield found
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(PATIENCE)


def source(port: int, **options: str) -> DataSource:
    return DataSource("crm", "postgresql", f"postgresql://localhost:{port}/crm", options, Credential("u", "p"))


def test_the_server_is_checked_against_them(server: TlsServer) -> None:
    other = made_certificate("another")[0].decode()
    for root, trusted in ((other, 0), (server.certificate, 1), (other + server.certificate, 2)):
        connector = PostgresqlConnector(source(server.port, sslmode="verify-full", sslrootcert=root))
        with pytest.raises(SourceError):  # it says nothing after the handshake
            connector.test()
        connector.close()
        assert server.trusted == trusted


@pytest.mark.parametrize(
    "text",
    ["/etc/passwd", "/etc/ssl/certs/ca-certificates.crt", "ca.pem", "../../etc/shadow", "", "/proc/self/environ", "System",
     f"{certificates.BEGIN}\nnonsense\n-----END CERTIFICATE-----"],
)  # fmt: skip
def test_no_path_is_taken(text: str) -> None:
    with pytest.raises(DefinitionError, match='option "sslrootcert"'):
        settings(source(1, sslrootcert=text))


def test_the_machines_own() -> None:
    assert "sslrootcert=system" in settings(source(1, sslrootcert="system", sslmode="verify-full")).conninfo("t")


def test_files_in_memory_are_few_and_hold_the_text() -> None:
    texts = [made_certificate()[0].decode() for _ in range(3)]
    assert [Path(certificates.path(text)).read_text() for text in texts * 2] == texts * 2
    for number in range(certificates.KEPT + 5):
        certificates.path(f"{texts[0]}{number}")
    assert len(certificates._files) == certificates.KEPT
