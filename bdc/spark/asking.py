"""The app proxy as the driver asks it: with a token of the user's own, for apps alone."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bdc.apps import PATH
from bdc.errors import InternalError, UserError
from bdc.names import kind_of, route_segment
from bdc.rest import JsonClient, object_of
from bdc.session import Session

LIVE = "live"
MOST = 400 * 2**20
"""Bytes of an answer: a model of 256 MB in base64."""


@dataclass(frozen=True)
class App:
    """One version as it is now. ``inputs``, ``outputs``: names and types of the spec; ``model``: SHA-256 of its file where the version is
    a model (runtime onnx), else None."""

    name: str
    version: str
    runtime: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    timeout: float
    model: str | None

    @property
    def label(self) -> str:
        """``house@v1``."""
        return f"{self.name}@{self.version}"

    @property
    def path(self) -> str:
        """Of its routes at the proxy."""
        return _path(self.name, self.version)


@dataclass(frozen=True)
class Access:
    """``endpoint``: the proxy's address as the cluster itself has it; ``client`` reaches it from here."""

    endpoint: str
    token: str = field(repr=False)
    client: JsonClient = field(repr=False)
    authority: str = ""

    @classmethod
    def of(cls, session: Session) -> Access:
        """AuthenticationError, ForbiddenError, ServiceError."""
        context = session.context
        controller = JsonClient(session.reachable(context.controller), session.access_token, 60.0, context.authority)
        given = object_of(controller.request("POST", f"{PATH}/token"), "apps/token")
        endpoint, token = str(given["endpoint"]), str(given["access_token"])
        client = JsonClient(session.reachable(endpoint), lambda: token, 300.0, context.authority, MOST)
        return cls(endpoint, token, client, context.authority)

    def find(self, app: str) -> App:
        """``house@v1``; ``house`` and ``house@live``: the version that is live now. NotFoundError, ForbiddenError, ServiceError."""
        name, _, version = app.partition("@")
        found = object_of(self.client.get(f"{_path(name, version or LIVE)}/batch"), "apps/batch")
        model = found.get("model")
        return App(
            str(found["name"]), str(found["version"]), str(found["runtime"]), _kinds(found["inputs"]), _kinds(found["outputs"]),
            float(str(found["timeout"])), None if model is None else str(model),
        )  # fmt: skip

    def model(self, app: App) -> bytes | None:
        """Its file; None where that is not the one of ``app.model`` any more, because the version was updated meanwhile."""
        found = object_of(self.client.get(f"{app.path}/model"), "apps/model")
        try:
            content = base64.b64decode(str(found["model"]), validate=True)
        except (KeyError, binascii.Error):
            raise InternalError(f"the app proxy gave no model of {app.label}", where=self.endpoint) from None
        return content if hashlib.sha256(content).hexdigest() == app.model else None


def _path(name: str, version: str) -> str:
    return f"/api/app/{route_segment(name, 'app')}/{route_segment(version, 'version')}"


def _kinds(found: Any) -> dict[str, str]:  # noqa: ANN401 - JSON
    if not isinstance(found, dict):
        raise InternalError("the app proxy's answer has no inputs and outputs")
    return {str(name): str(kind) for name, kind in found.items()}


def named(app: object) -> str:
    """The app's name as a text; UserError."""
    hint = "write it as 'house@v1' or 'house@live'; bdc app list shows them"
    if not isinstance(app, str):
        raise UserError(f"an app is named by a text, not by {kind_of(app)}", hint=f"bdc.spark.score(df, 'house@v1'): {hint}")
    if not app.partition("@")[0]:
        raise UserError(f"{app!r} is no app", hint=hint)
    return app
