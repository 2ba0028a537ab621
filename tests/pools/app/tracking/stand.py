"""The proxy in front of MLflow as a process of its own, beside a real controller API; behind it a small server in MLflow's place, which
tells what reached it."""

from __future__ import annotations

import http.server
import json
import os
import pathlib
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from pools.app.tracking.settings import TrackingSettings
from tests.controller.api.service import ISSUER, Service, served
from tests.patience import PATIENCE, eventually
from tests.pools.scraping import Told, scraped
from tests.services.postgresql import free_port

PIECE = b"x" * 65536


class _StandIn(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked; ``/static-files/large`` is 64 MB, ``…/broken`` ends in the middle."""

    protocol_version = "HTTP/1.1"

    def _any(self) -> None:
        size, pieces = int(self.headers.get("content-length") or 0), 0
        if self.headers.get("transfer-encoding") == "chunked":
            while (length := int(self.rfile.readline(), 16)) > 0:
                pieces += len(self.rfile.read(length))
                self.rfile.readline()
            self.rfile.readline()
        while size > pieces:
            pieces += len(self.rfile.read(min(size - pieces, 1 << 20)))
        if self.path.startswith("/static-files/large"):
            return self._large()
        told = {"method": self.command, "target": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "bytes": pieces}
        body = b"OK" if self.path == "/health" else json.dumps(told).encode()
        self.send_response(418 if self.path.endswith("/teapot") else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body) * (2 if self.path.endswith("/broken") else 1)))
        self.send_header("Set-Cookie", "session=1")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.close_connection = True
        return None

    def _large(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for _ in range(1024):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))
        self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def address_string(self) -> str:
        """Of a Unix socket there is none."""
        return "-"


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@dataclass
class Stand:
    """``folder``: of the proxy; ``client`` has no token."""

    folder: pathlib.Path
    api: Service
    client: httpx.Client
    port: int
    more: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> pathlib.Path:
        return self.folder / "mlflow.sock"

    def token(self, *roles: str, audience: str = "gateway") -> str:
        name = "u" + "".join(roles).replace("-", "")
        if self.api.services.users.find(name) is None:
            self.api.services.users.add(name, "correct horse battery", roles)  # type: ignore[arg-type]
        return self.api.services.tokens.begin(self.api.services.users.get(name), audience).access

    def call(self, method: str, path: str, *roles: str, **more: Any) -> httpx.Response:
        """As somebody with these roles."""
        headers = {"Authorization": f"Bearer {self.token(*roles)}", **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)

    def start(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True)
        settings = TrackingSettings(
            self.port, str(self.socket), str(self.folder / "data"), str(self.api.client.base_url), ISSUER,
            **{"metrics": str(self.folder), **self.more},
        )  # fmt: skip
        (self.folder / "tracking.json").write_text(settings.json())
        command = [sys.executable, "-m", "pools.app.tracking.service", "--config", str(self.folder / "tracking.json")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))
        eventually(lambda: self.health() is not None, "the proxy answers")

    def health(self) -> int | None:
        """Status of ``/healthz``."""
        assert self.process is not None and self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return self.client.get("/healthz").status_code
        except httpx.TransportError:
            return None

    def metrics(self) -> Told:
        return scraped(self.folder)

    @contextmanager
    def mlflow(self) -> Iterator[None]:
        """Something answers at its socket."""
        self.socket.unlink(missing_ok=True)
        with _Server(str(self.socket), _StandIn) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()


@contextmanager
def stand(folder: pathlib.Path, **more: Any) -> Iterator[Stand]:
    """Started, nothing behind it yet; nothing is left at the end."""
    port = free_port()
    with served(folder) as api, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE) as client:
        found = Stand(folder, api, client, port, more)
        try:
            found.start()
            yield found
        finally:
            if found.process is not None:
                found.process.kill()
                found.process.wait(PATIENCE)
