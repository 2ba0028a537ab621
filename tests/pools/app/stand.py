"""The app proxy as a process of its own, beside a real controller API that gives its tokens and keys."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from apps.package import pack
from pools.app.settings import ProxySettings
from tests.controller.api.service import ISSUER, Service, served
from tests.patience import PATIENCE, eventually
from tests.pools.scraping import Told, scraped
from tests.services.postgresql import free_port


@dataclass
class Stand:
    """``owner``, ``reader``, ``user``: ``Authorization`` headers of app tokens with just that role."""

    folder: pathlib.Path
    api: Service
    port: int
    client: httpx.Client
    process: subprocess.Popen[bytes] | None = None
    more: dict[str, Any] = field(default_factory=dict)

    def token(self, *roles: str, audience: str = "app") -> str:
        """Of a user who holds these roles, and ``user``."""
        name = "u" + "".join(roles).replace("-", "")
        if self.api.services.users.find(name) is None:
            self.api.services.users.add(name, "correct horse battery", roles)  # type: ignore[arg-type]
        return self.api.services.tokens.begin(self.api.services.users.get(name), audience).access

    def start(self) -> None:
        """Until it answers."""
        config = self.folder / "proxy.json"
        settings = ProxySettings(
            self.port, str(self.folder / "data"), str(self.api.client.base_url), ISSUER, **{"metrics": str(self.folder), **self.more}
        )
        config.write_text(settings.json())
        (self.folder / "data").mkdir(exist_ok=True)
        command = [sys.executable, "-m", "pools.app.service", "--config", str(config)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "SECRET": "x"})
        eventually(self._up, "the proxy answers")

    def _up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def call(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        """``token`` None: an owner's."""
        headers = {"Authorization": f"Bearer {token or self.token('app-owner')}", **more.pop("headers", {})}
        return self.client.request(method, path, headers=headers, **more)

    def create(self, folder: pathlib.Path, method: str = "POST", state: str | None = "Ready") -> dict[str, Any]:
        """Until it is settled; its description. ``state``: in which it must be then."""
        answer = self.call(method, "/api/v1/apps", content=pack(folder).archive)
        assert answer.status_code in (200, 201), answer.text
        path = f"/api/v1/apps/{answer.json()['name']}/{answer.json()['version']}"
        eventually(lambda: self.call("GET", path).json()["settled"], f"{path} is settled")
        found: dict[str, Any] = self.call("GET", path).json()
        assert state in (None, found["state"]), found
        return found

    def run(self, name: str = "t", version: str = "v1", token: str | None = None, **inputs: object) -> httpx.Response:
        """One call."""
        return self.call("POST", f"/api/app/{name}/{version}/run", token, json=inputs)

    def metrics(self) -> Told:
        """What it tells now."""
        return scraped(self.folder)

    def workers(self) -> list[int]:
        """Its children."""
        assert self.process is not None
        found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False).stdout
        return [int(word) for word in found.split()]


@contextmanager
def stand(folder: pathlib.Path, **more: Any) -> Iterator[Stand]:
    """Started; nothing is left at the end."""
    port = free_port()
    with served(folder) as api, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE) as client:
        found = Stand(folder, api, port, client, more=more)
        try:
            found.start()
            yield found
        finally:
            if found.process is not None and found.process.poll() is None:
                found.process.kill()
                found.process.wait(PATIENCE)
