"""TLS: the server is checked against the certificates of the option ``tls_ca``; no wallet, no file is read."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.services.oracle import StandIn
from tests.services.oracle.server import listening
from tests.services.postgresql import reachable_folder
from tests.virtualization.connectors.test_postgresql_certificates import made_certificate
from virtualization.catalog import DataSource
from virtualization.connectors.oracle import OracleConnector
from virtualization.errors import SourceUnreachableError

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def served(stand_in: StandIn) -> Iterator[tuple[DataSource, str]]:
    """A listener that wants TLS, and its certificate."""
    certificate, key = made_certificate()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with reachable_folder() as folder:
        (folder / "cert.pem").write_bytes(certificate)
        (folder / "key.pem").write_bytes(key)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with listening(StandIn(stand_in.database), context) as made:
        yield replace(made.source(), location=f"oracles://localhost:{made.port}/{made.service}"), certificate.decode()


def test_the_server_is_checked(served: tuple[DataSource, str]) -> None:
    source, certificate = served
    made = OracleConnector(replace(source, options={**source.options, "tls_ca": certificate}))
    assert made.test().version == "Oracle 12.1.0.2.0"
    made.close()


@pytest.mark.parametrize("what", ["nobody", "another", "another name"])
def test_who_is_not_trusted_is_refused(served: tuple[DataSource, str], what: str) -> None:
    source, certificate = served
    more = {"another": {"tls_ca": made_certificate()[0].decode()}, "another name": {"tls_ca": certificate, "tls_server_dn": "CN=other"}}
    made = OracleConnector(replace(source, options={**source.options, **more.get(what, {})}))
    with pytest.raises(SourceUnreachableError, match="TLS failed") as caught:
        made.test()
    assert "tls_ca" in (caught.value.hint or "")
    made.close()
