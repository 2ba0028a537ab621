"""TLS: the server is checked against the certificates of the option ``tls_ca``; text only, no file is read."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest

from tests.services.mongodb import MongodbServer, mongodb_server
from tests.services.postgresql import reachable_folder
from tests.virtualization.connectors.test_postgresql_certificates import made_certificate
from virtualization import certificates
from virtualization.catalog import DataSource
from virtualization.connectors.mongodb import MongodbConnector
from virtualization.errors import SourceUnreachableError

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[MongodbServer, str]]:
    """A server that wants TLS, and its certificate."""
    certificate, key = made_certificate()
    with reachable_folder() as folder:
        (folder / "cert.pem").write_bytes(certificate)
        (folder / "key.pem").write_bytes(key)
        files = ("--tls-cert-file", str(folder / "cert.pem"), "--tls-key-file", str(folder / "key.pem"))
        with mongodb_server(*files, parameters="?tls=true&tlsInsecure=true") as server:
            yield server, certificate.decode()


def connector(server: MongodbServer, **options: str) -> MongodbConnector:
    port = server.uri.rsplit(":", 1)[1].split("/")[0]
    location = f"mongodb://localhost:{port}/db?directConnection=true"
    return MongodbConnector(DataSource("src", "mongodb", location, {"connect_timeout": "60", **options}))


def test_the_server_is_checked(served: tuple[MongodbServer, str]) -> None:
    server, certificate = served
    made = connector(server, tls_ca=certificate)
    try:
        assert made.test().version
    finally:
        made.close()


@pytest.mark.parametrize("trusted", ["another", "none"])
def test_wrong_certificates_and_plain_connections_are_told(served: tuple[MongodbServer, str], trusted: str) -> None:
    made = connector(
        served[0], connect_timeout="2", **({"tls_ca": made_certificate("another")[0].decode()} if trusted == "another" else {})
    )
    try:
        with pytest.raises(SourceUnreachableError) as caught:
            made.test()
        assert "TLS" in str(caught.value.hint)
    finally:
        made.close()


def test_files_in_memory_hold_the_text() -> None:
    text = made_certificate()[0].decode()
    assert certificates.path(text) == certificates.path(text)
    assert pathlib.Path(certificates.path(text)).read_text() == text
