"""A small server in the place of MLflow's registry: what it answers was taken from MLflow 3.17."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

PLACE = "1/models/m-1/artifacts"
MLMODEL = (
    b"flavors:\n  onnx: {data: model.onnx}\n  python_function: {loader_module: mlflow.onnx, data: model.onnx}\nmlflow_version: 3.17.2\n"
)


@dataclass
class Registry:
    """``files``: path in the model → content; ``heard``: the Authorization of each request."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    place: str = f"mlflow-artifacts:/{PLACE}"
    token: str = "good"
    listed: list[dict[str, Any]] | None = None
    heard: list[str | None] = field(default_factory=list)

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, bytes]:
        named = (query.get("name"), query.get("alias"), query.get("version"))
        if path.endswith("/registered-models/alias"):
            if named[:2] != ("house", "candidate"):
                return 400, _said("INVALID_PARAMETER_VALUE", f"Registered model alias {named[1]} not found.")
            return 200, json.dumps({"model_version": {"name": "house", "version": "3", "source": "models:/m-1"}}).encode()
        if path.endswith("/model-versions/get-download-uri"):
            if named[2] != "3":
                return 404, _said("RESOURCE_DOES_NOT_EXIST", f"Model Version (name=house, version={named[2]}) not found")
            return 200, json.dumps({"artifact_uri": self.place}).encode()
        if path.endswith("/mlflow-artifacts/artifacts"):
            return 200, json.dumps({"files": found} if (found := self._below(query["path"])) else {}).encode()
        name = path.partition(f"/mlflow-artifacts/artifacts/{PLACE}/")[2]
        return (200, self.files[name]) if name in self.files else (404, _said("RESOURCE_DOES_NOT_EXIST", "no such file"))

    def _below(self, path: str) -> list[dict[str, Any]]:
        if self.listed is not None:
            return self.listed
        inner = path.removeprefix(PLACE).strip("/")
        rest = [name.removeprefix(f"{inner}/" if inner else "") for name in self.files if name.startswith(inner)]
        return [{"path": name, "is_dir": any(one.startswith(f"{name}/") for one in rest)} for name in {one.split("/")[0] for one in rest}]


def _said(code: str, message: str) -> bytes:
    return json.dumps({"error_code": code, "message": message}).encode()


@contextmanager
def serving(**settings: Any) -> Iterator[Registry]:
    """On loopback, below a prefix."""
    registry = Registry(**settings)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            given = self.headers.get("Authorization")
            registry.heard.append(given)
            status, body = 401, _said("UNAUTHENTICATED", "no bearer token was sent")
            if given in (f"Bearer {registry.token}", "Basic YW5uOnB3"):
                status, body = registry.answer(urllib.parse.unquote(parts.path), dict(urllib.parse.parse_qsl(parts.query)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry.address = f"http://127.0.0.1:{server.server_port}/mlflow"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()
