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
