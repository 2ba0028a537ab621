"""A gateway in this process, on a port of its own, in front of a controller's real API."""

from __future__ import annotations

import asyncio
import json
import pathlib
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pools import program
from pools.gateway.server import Limits
from pools.gateway.service import Gateway
from pools.gateway.settings import GatewaySettings, Hdfs
from pools.gateway.workloads import PROXY_USER
from tests.controller.api.service import ADMIN, ISSUER, USER, Service, served
from tests.patience import PATIENCE
from tests.services.certificates import Laid, laid
from tests.services.hdfs import HdfsServer


@dataclass
class Running:
    """``lines``: what the gateway has logged."""

    port: int
    certificates: Laid
    api: Service
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificates.root)

    def client(self, token: str | None = None, **more: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, verify=self.context, trust_env=False, timeout=PATIENCE, headers=headers, **more)

    def token(self, name: str = USER, audience: str = "controller") -> str:
        return self.api.services.tokens.begin(self.api.services.users.get(name), audience).access

    def changed(self, name: str = USER, private: Ed25519PrivateKey | None = None, **claims: Any) -> str:
        """A token of ``name`` with other claims, or another key."""
        content = jwt.decode(self.token(name), options={"verify_signature": False})
        key = self.api.services.keys.signing()
        return jwt.encode({**content, **claims}, private or key.private, algorithm="EdDSA", headers={"kid": key.kid})

    def callers(self, name: str = USER) -> dict[str, str | None]:
        """Kind of caller → what he sends."""
        return {
            "no token": None,
            "garbage": "x.y.z",
            "expired": self.changed(name, exp=int(time.time()) - 1),
            "forged": self.changed(name, Ed25519PrivateKey.generate()),
            "another cluster's": self.changed(name, iss="openbdc:another"),
            "other audience": self.token(name, "compute"),
            "wrong role": self.changed(name, roles=[]),
            "right role": self.token(name),
        }


@contextmanager
def gateway(
    folder: pathlib.Path,
    hdfs: HdfsServer | Hdfs | None = None,
    limits: Limits | None = None,
    controller: str | None = None,
    apps: str | None = None,
    flight: tuple[str, ...] = (),
    spark_host: str | None = None,
    authority: str | None = None,
) -> Iterator[Running]:
    """Until the end of the block. ADMIN and USER of the API are who logs in. ``controller``: instead of that API's address;
    ``authority``: a file, instead of that of the gateway's own authority."""
    certificates = laid(folder / "tls")
    lines: list[dict[str, Any]] = []
    with served(folder) as api:
        settings = GatewaySettings(
            addresses=("127.0.0.1",),
            port=0,
            certificate_file=certificates.files.certificate,
            certificate_key_file=certificates.files.key,
            controller=controller or str(api.client.base_url).rstrip("/"),
            authority_file=authority or certificates.root,
            issuer=ISSUER,
            hdfs=behind(hdfs) if isinstance(hdfs, HdfsServer) else hdfs,
            apps=apps,
            metrics=str(folder),
            flight=flight,
            spark_host=spark_host,
            audit_file=str(folder / "audit.jsonl"),
        )
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        async def begin() -> tuple[Gateway, int]:
            made = Gateway(settings, limits)
            return made, made.start()

        told, program.tell = program.tell, lambda level, message, **more: lines.append({"level": level, "event": message, **more})
        try:
            made, port = asyncio.run_coroutine_threadsafe(begin(), loop).result(PATIENCE)
            yield Running(port, certificates, api, lines)
            asyncio.run_coroutine_threadsafe(made.stop(), loop).result(PATIENCE)
        finally:
            program.tell = told
            loop.call_soon_threadsafe(loop.stop)
            thread.join(PATIENCE)
            loop.close()


def behind(hdfs: HdfsServer) -> Hdfs:
    """A HDFS as the gateway is told of it."""
    datanodes = tuple(f"127.0.0.1:{hdfs.datanode_http[number]}" for number in sorted(hdfs.datanode_http))
    return Hdfs(f"127.0.0.1:{hdfs.http}", f"127.0.0.1:{hdfs.port}", datanodes, PROXY_USER, encrypted=hdfs.certificates is not None)


def error(answer: httpx.Response) -> dict[str, Any]:
    """The envelope; fails where it is none."""
    content = json.loads(answer.content)
    assert set(content) == {"error", "request_id"}, content
    assert set(content["error"]) == {"code", "message", "where", "hint"}
    return dict(content["error"])


__all__ = ["ADMIN", "ISSUER", "USER", "Running", "behind", "error", "gateway"]
