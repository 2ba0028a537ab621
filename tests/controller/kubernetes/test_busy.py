"""A server that is too busy to look at a request is asked again, and one that stays so is told. A stand-in: real ones are so by chance."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from controller.kubernetes import api as module
from controller.kubernetes.api import Api, ApiError

SAYS = b'{"kind": "Status", "message": "storage is (re)initializing", "code": 429}'


class Busy(http.server.BaseHTTPRequestHandler):
    refusals = 0

    def do_GET(self) -> None:
        busy = type(self).refusals > 0
        type(self).refusals -= 1
        self.send_response(429 if busy else 200)
        if busy:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(SAYS if busy else b'{"items": [{"kind": "x"}]}')

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    from kubernetes import client

    with http.server.HTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = client.Configuration()
        settings.host = f"http://127.0.0.1:{server.server_port}"
        with client.ApiClient(settings) as made:
            yield Api(made)
        server.shutdown()


def test_it_is_asked_again(api: Api) -> None:
    Busy.refusals = 3
    assert api.list("/x") == [{"kind": "x"}]
    assert api.calls == 4


def test_one_that_stays_busy_is_told(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.05)
    Busy.refusals = 1_000_000
    with pytest.raises(ApiError, match=r"storage is \(re\)initializing") as caught:
        api.list("/x")
    assert caught.value.unreachable
