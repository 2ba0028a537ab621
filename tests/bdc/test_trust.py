"""Who a client believes: a server with certificates of every bad kind, and the way in which a new one is met."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from azdata_like_cli import meeting
from azdata_like_cli.meeting import Given
from bdc import contexts, trust
from bdc.contexts import Session
from bdc.controller import Controller
from bdc.errors import ServiceError, UserError
from bdc.trust import UntrustedError
from pools.tls import ServerCertificate, reloading
from tests.patience import PATIENCE, eventually
from tests.services.certificates import Laid, laid


@contextmanager
def serving(certificates: Laid) -> Iterator[int]:
    """A server whose authority's certificates are to be had, as a controller's are."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = Path(certificates.root).read_bytes() if self.path == trust.ROUTE else b'{"name": "alice"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not to the test's output."""

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that refuses the certificate breaks off."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = reloading(ServerCertificate(certificates.files)).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Laid:
    return laid(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def port(certificates: Laid) -> Iterator[int]:
    with serving(certificates) as number:
        yield number


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDC_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("BDC_HOME", str(tmp_path / "home"))


def test_a_controller_is_spoken_to_when_its_authority_is_the_one(port: int, certificates: Laid) -> None:
    assert trust.speaks_tls("127.0.0.1", port)
    pem = trust.read(Path(certificates.root))
    assert Controller(f"https://localhost:{port}", lambda: "t", authority=pem).whoami() == {"name": "alice"}
    for other in ("", certificates.issued().certificate):
        with pytest.raises(UntrustedError, match="not trusted"):
            Controller(f"https://localhost:{port}", lambda: "t", authority=other).whoami()


@pytest.mark.parametrize(
    ("hosts", "begun_days_ago", "days", "hint"),
    [
        (("other.example",), 0, 9, "spec.security.tls.names"),
        (("localhost",), 3, 2, "bdc start"),
        (("localhost",), -2, 9, "clock is behind"),
    ],
)
def test_what_is_wrong_with_a_certificate_comes_with_its_next_step(
    certificates: Laid, port: int, hosts: tuple[str, ...], begun_days_ago: int, days: int, hint: str
) -> None:
    pem = trust.read(Path(certificates.root))
    certificates.lay(certificates.issued(hosts, begun_days_ago, days))

    def said() -> str:
        try:
            trust.trusted("localhost", port, pem)
        except UntrustedError as error:
            return str(error.hint)
        return ""

    eventually(lambda: hint in said(), "it is refused for this reason")
    certificates.lay(certificates.issued())
    eventually(lambda: not said(), "a good one is trusted again")


def test_a_new_controller_is_trusted_by_its_fingerprint_only(port: int, certificates: Laid) -> None:
    url = f"https://127.0.0.1:{port}"
    pem = trust.read(Path(certificates.root))
    with pytest.raises(UserError, match="nobody here knows") as caught:
        meeting.authority(url)
    (fingerprint,) = trust.fingerprints(pem)
    assert fingerprint in str(caught.value.hint)
    assert meeting.authority(url, Given(fingerprint=fingerprint.lower())) == pem
    with pytest.raises(UserError, match="another fingerprint"):
        meeting.authority(url, Given(fingerprint="AA:BB"))


def test_a_known_controller_with_another_authority_is_an_error_and_nothing_is_asked(port: int, certificates: Laid, tmp_path: Path) -> None:
    url, other = f"https://127.0.0.1:{port}", trust.read(Path(laid(tmp_path / "other").root))
    with contexts.editing() as box:
        box[0] = box[0].with_session(Session("demo", url, "alice", authority=other))
    with pytest.raises(UntrustedError):
        meeting.authority(url)
    with contexts.editing() as box:
        box[0] = box[0].with_session(Session("demo", url, "alice", authority=trust.read(Path(certificates.root))))
    assert meeting.authority(url)


def test_a_file_is_taken_if_it_fits(port: int, certificates: Laid, tmp_path: Path) -> None:
    url = f"https://127.0.0.1:{port}"
    assert meeting.authority(url, Given(Path(certificates.root)))
    with pytest.raises(UntrustedError):
        meeting.authority(url, Given(Path(laid(tmp_path / "other").root)))
    (tmp_path / "x").write_text("nothing")
    with pytest.raises(UserError, match="holds no certificate"):
        meeting.authority(url, Given(tmp_path / "x"))
    with pytest.raises(UserError, match="speaks no TLS"):
        meeting.authority("http://127.0.0.1:1", Given(Path(certificates.root)))


def test_successors_come_over_a_connection_that_is_verified(port: int, certificates: Laid, tmp_path: Path) -> None:
    pem = trust.read(Path(certificates.root))
    assert trust.renewed("localhost", port, pem) == pem
    other = trust.read(Path(laid(tmp_path / "other").root))
    assert trust.renewed("localhost", port, other) == other, "what an unknown server says is not taken"


def test_a_customers_certificate_stays_trusted_whatever_authority_is_told(port: int, certificates: Laid, tmp_path: Path) -> None:
    """A gateway in a pod shows the customer's, and the controller behind it tells the cluster's authority."""
    customers = laid(tmp_path / "customer")
    certificates.lay(customers.issued())
    pem = trust.read(Path(customers.root))
    eventually(lambda: not _refused(port, pem), "the customer's is shown")
    assert trust.renewed("localhost", port, pem) == pem
    certificates.lay(certificates.issued())
    eventually(lambda: not _refused(port, trust.read(Path(certificates.root))), "the authority's is shown again")


def _refused(port: int, pem: str) -> bool:
    try:
        trust.trusted("localhost", port, pem)
    except UntrustedError:
        return True
    return False


def test_plain_where_tls_is_expected_is_refused() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = 1.0  # of what it takes for a request there may be no end

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as plain:
        thread = threading.Thread(target=plain.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            assert not trust.speaks_tls("127.0.0.1", plain.server_address[1])
            with pytest.raises((ServiceError, ssl.SSLError)):
                Controller(f"https://127.0.0.1:{plain.server_address[1]}", lambda: "secret").whoami()
        finally:
            plain.shutdown()
            thread.join(PATIENCE)


def test_the_root_file_is_kept_by_its_content(tmp_path: Path, certificates: Laid) -> None:
    pem = trust.read(Path(certificates.root))
    assert trust.root_file("", tmp_path) == "system"
    path = trust.root_file(pem, tmp_path)
    assert Path(path).read_text() == pem
    assert trust.root_file(pem, tmp_path) == path
