"""TLS of the compute pool, as libpq asks for it: verified, at once (ALPN), bound to the login; and every way in which it must fail."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pools.compute.wire.link import ALPN
from pools.compute.wire.server import Encryption
from pools.tls import ServerCertificate
from tests.patience import SOON, eventually
from tests.pools.compute.conftest import RunningPool, running_pool
from tests.services.certificates import Laid, laid

SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
VERIFIED = {"sslmode": "verify-full"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    return laid(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def pool(certificates: Laid) -> Iterator[RunningPool]:
    with running_pool(encryption=Encryption(ServerCertificate(certificates.files, (ALPN,)))) as running:
        yield running


@pytest.fixture
def fresh(pool: RunningPool, certificates: Laid) -> Iterator[None]:
    """A good certificate is in use again afterwards."""
    yield
    certificates.lay(certificates.issued())

    def good() -> bool:
        try:
            return bool(served(pool, certificates.root))
        except ssl.SSLError:
            return False

    eventually(good, "a good certificate is served again")


def served(pool: RunningPool, root: str) -> bytes:
    """The certificate that a new connection gets."""
    with socket.create_connection(("127.0.0.1", pool.port)) as plain:
        plain.sendall(SSL_REQUEST)
        assert plain.recv(1) == b"S"
        with ssl.create_default_context(cafile=root).wrap_socket(plain, server_hostname="localhost") as tls:
            found = tls.getpeercert(binary_form=True)
            assert found is not None
            return found


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
@pytest.mark.parametrize("binding", ["require", "disable"])
def test_a_client_that_verifies_gets_all_rows(pool: RunningPool, certificates: Laid, negotiation: str, binding: str) -> None:
    more = {**VERIFIED, "sslrootcert": certificates.root, "sslnegotiation": negotiation, "channel_binding": binding}
    with pool.connect(**more) as connection:
        assert connection.pgconn.ssl_in_use
        rows = connection.execute("SELECT id, name FROM public.numbers").fetchall()
        assert len(rows) == 25_000
        assert rows[-1][0] == 24_999


def test_who_asks_for_no_encryption_is_let_in_on_loopback_only(pool: RunningPool, certificates: Laid) -> None:
    with pool.connect(sslmode="disable") as connection:
        assert not connection.pgconn.ssl_in_use
    strict = Encryption(ServerCertificate(certificates.files), required=True)
    with running_pool(encryption=strict) as other:
        with pytest.raises(psycopg.OperationalError, match="takes encrypted connections only"):
            other.connect(sslmode="disable")
        with other.connect(**VERIFIED, sslrootcert=certificates.root) as connection:
            assert connection.execute("SELECT id FROM public.numbers LIMIT 1").fetchone() is not None


def test_a_client_that_expects_encryption_refuses_a_server_without(certificates: Laid) -> None:
    with running_pool() as plain, pytest.raises(psycopg.OperationalError, match="does not support SSL"):
        plain.connect(**VERIFIED, sslrootcert=certificates.root)


def test_another_authority_is_not_trusted(pool: RunningPool, tmp_path: Path) -> None:
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        pool.connect(**VERIFIED, sslrootcert=laid(tmp_path).root)


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("hosts", "begun_days_ago", "days", "why"),
    [
        (("elsewhere.example",), 0, 90, "does not match host name"),
        (("127.0.0.1",), 3, 2, "certificate verify failed"),
        (("127.0.0.1",), -2, 90, "certificate verify failed"),
    ],
)
def test_bad_certificates_are_refused(
    pool: RunningPool, certificates: Laid, hosts: tuple[str, ...], begun_days_ago: int, days: int, why: str
) -> None:
    before = certificates.issued(hosts, begun_days_ago, days)
    certificates.lay(before)

    def refused() -> bool:
        try:
            pool.connect(**VERIFIED, sslrootcert=certificates.root).close()
        except psycopg.OperationalError as error:
            return why in str(error)
        return False

    eventually(refused, "the bad certificate is in use and refused")


@pytest.mark.usefixtures("fresh")
def test_a_session_goes_on_while_the_certificate_is_replaced(pool: RunningPool, certificates: Laid) -> None:
    old = served(pool, certificates.root)
    with pool.connect(**VERIFIED, sslrootcert=certificates.root, channel_binding="require") as running:
        with running.cursor() as rows:
            stream = rows.stream("SELECT id FROM public.numbers")
            assert next(stream) == (0,)
            certificates.lay(certificates.issued())
            eventually(lambda: served(pool, certificates.root) != old, "new connections get the new certificate")
            assert sum(1 for _ in stream) == 24_999
        assert running.execute("SELECT id FROM public.numbers LIMIT 1").fetchone() is not None
    with pool.connect(**VERIFIED, sslrootcert=certificates.root, channel_binding="require") as connection:
        assert connection.pgconn.ssl_in_use


@pytest.mark.usefixtures("fresh")
def test_a_key_of_another_certificate_leaves_the_old_one_in_use(certificates: Laid) -> None:
    said: list[str] = []
    kept = ServerCertificate(certificates.files, failed=said.append)
    before = kept.current()
    Path(certificates.files.key).write_text(certificates.issued().key)
    eventually(lambda: (kept.current(), bool(said))[1], "the files are looked at")
    assert kept.current() is before
    assert "the key does not belong to the certificate" in said[0]
    assert "bdc cert rotate" in said[0]
    assert "PRIVATE" not in said[0]


def test_a_statement_can_be_cancelled_under_tls(pool: RunningPool, certificates: Laid) -> None:
    with pool.connect(**VERIFIED, sslrootcert=certificates.root) as connection:
        connection.cancel_safe(timeout=SOON)  # nothing runs: it must be taken all the same, and say good-bye
        assert connection.execute("SELECT id FROM public.numbers LIMIT 1").fetchone() is not None


def test_bytes_behind_the_request_are_no_part_of_the_session(pool: RunningPool) -> None:
    """CVE-2021-23222: what somebody put in front of the handshake must not be read as if it had come under TLS."""
    with socket.create_connection(("127.0.0.1", pool.port)) as plain:
        plain.sendall(SSL_REQUEST + b"\0\0\0\x13\0\x03\0\0user\0alice\0\0")
        plain.settimeout(20)
        said = b""
        while part := plain.recv(4096):
            said += part
    assert b"received unencrypted data after SSL request" in said


@pytest.mark.parametrize("protocols", [[], ["http/1.1"]])
def test_at_once_means_postgresql(pool: RunningPool, certificates: Laid, protocols: list[str]) -> None:
    context = ssl.create_default_context(cafile=certificates.root)
    if protocols:
        context.set_alpn_protocols(protocols)
    with socket.create_connection(("127.0.0.1", pool.port)) as plain:
        plain.settimeout(20)
        try:
            with context.wrap_socket(plain, server_hostname="localhost") as tls:
                assert tls.recv(1) == b""
        except (ssl.SSLError, ConnectionError):
            pass  # cut off during the handshake: just as well


def test_garbage_under_tls_ends_that_connection_only(pool: RunningPool, certificates: Laid) -> None:
    for garbage in (b"\x16\x03\x01\xff\xff" + bytes(200), SSL_REQUEST + b"\x16\x03"):
        with socket.create_connection(("127.0.0.1", pool.port)) as plain:
            plain.sendall(garbage)
            plain.shutdown(socket.SHUT_WR)
            plain.settimeout(20)
            while plain.recv(4096):
                pass
    assert served(pool, certificates.root)
