"""Whom the gateway takes for the controller, over TLS."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from pools.gateway.peer import connect
from pools.gateway.service import Gateway
from pools.gateway.settings import GatewaySettings
from pools.gateway.trust import Trust
from pools.tls import CertificateFileError
from tests.services.certificates import Laid, laid


async def tried(trust: Trust, shown: Laid) -> None:
    """A connection to a server that shows that certificate; ssl.SSLError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(shown.files.certificate, shown.files.key)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    try:
        (await connect(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", trust.context())).close()
    finally:
        server.close()


def settings(own: Laid, *, same: bool) -> GatewaySettings:
    return GatewaySettings(("127.0.0.1",), 0, own.files.certificate, own.files.key, "https://127.0.0.1:1", own.root, "openbdc:x", same)


def test_the_clusters_authority_says_who_it_is(tmp_path: Path) -> None:
    own, other = laid(tmp_path / "own"), laid(tmp_path / "other")
    trust = Trust(settings(own, same=False))
    asyncio.run(tried(trust, own))
    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(tried(trust, other))
    wrong = laid(tmp_path / "wrong", hosts=("elsewhere.example",))
    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(tried(Trust(settings(wrong, same=False)), wrong))
    Path(own.root).write_text(Path(other.root).read_text())  # the authority's successor
    asyncio.run(tried(trust, other))


def test_a_customers_certificate_is_known_by_itself(tmp_path: Path) -> None:
    """Whatever its names, and nobody need have signed it whom the machine knows."""
    own = laid(tmp_path / "own", hosts=("bdc.example.com",))
    trust = Trust(settings(own, same=True))
    asyncio.run(tried(trust, own))
    same_authority = replace(own, folder=tmp_path / "second")
    same_authority.folder.mkdir()
    same_authority.lay(own.issued(("bdc.example.com",)))
    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(tried(trust, same_authority))


def test_what_of_the_spec_names_a_certificate_that_does_not_fit_is_told(tmp_path: Path) -> None:
    own = replace(settings(laid(tmp_path / "own"), same=False), certificate_key_file=laid(tmp_path / "other").files.key)
    given = replace(own, certificate_from="spec.kubernetes.tlsSecret")
    with pytest.raises(CertificateFileError, match=r"does not belong to the certificate; put right what spec\.kubernetes\.tlsSecret names"):
        Gateway(given)
    with pytest.raises(CertificateFileError, match="bdc cert rotate"):
        Gateway(own)


def test_a_file_that_is_gone_is_an_oserror(tmp_path: Path) -> None:
    own = laid(tmp_path / "own")
    trust = Trust(replace(settings(own, same=False), authority_file=str(tmp_path / "none")))
    with pytest.raises(OSError, match="none"):
        trust.context()
