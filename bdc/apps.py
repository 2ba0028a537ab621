"""Apps of a cluster: changed through the controller, called at the app proxy itself."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Mapping

from bdc.names import route_segment
from bdc.rest import JsonClient, object_of, objects_of

Json = dict[str, object]
PATH = "/api/v1/apps"
RENEWED_SECONDS = 10.0
"""A token that ends so soon is not used any more."""


class Apps:
    """As one logged-in user sees them. ``reach``: turns an address of the cluster into one that is reached from here."""

    def __init__(self, controller: JsonClient, reach: Callable[[str], str] = str) -> None:
        self._controller = controller
        self._reach = reach
        self._token: tuple[str, float, str] | None = None

    def list(self) -> list[Json]:
        """``[{name, version, state, reason, runtime, digest}]``"""
        return objects_of(self._controller.get(PATH), "apps")

    def describe(self, name: str, version: str) -> Json:
        """State, reason, inputs, outputs, links, counts; NotFoundError."""
        return object_of(self._controller.get(_path(name, version)), "apps")

    def create(self, package: bytes) -> Json:
        """A new version; ConflictError when it exists. What ``describe`` gives; it is ready when its state says so."""
        return object_of(self._controller.request("POST", PATH, body=package), "apps")

    def update(self, package: bytes) -> Json:
        """Another package for a version that is there; NotFoundError."""
        return object_of(self._controller.request("PUT", PATH, body=package), "apps")

    def delete(self, name: str, version: str, *, live: bool = False) -> None:
        """Nothing of it is left; NotFoundError; ConflictError while calls of ``NAME@live`` go to it, unless ``live``."""
        self._controller.request("DELETE", _path(name, version), query={"live": True} if live else None)

    def promote(self, name: str, version: str = "live") -> Json:
        """``NAME@live`` means this version from now on; without one, that which a canary is under way for. ConflictError where it is not
        ready, or fails its sample. What ``describe`` gives."""
        return object_of(self._controller.request("POST", f"{_path(name, version)}/promote"), "apps/promote")

    def canary(self, name: str, version: str, percent: int) -> Json:
        """This version gets so many percent (0 to 99) of the calls of ``NAME@live``. ConflictError while another one is tried."""
        return object_of(self._controller.request("POST", f"{_path(name, version)}/canary", query={"percent": percent}), "apps/canary")

    def rollback(self, name: str) -> Json:
        """The version that was live before is so again. ConflictError where there is none."""
        return object_of(self._controller.request("POST", f"{_path(name, 'live')}/rollback"), "apps/rollback")

    def log(self, name: str, version: str, lines: int, *, predictions: bool = False) -> builtins.list[str]:
        """The last lines that it wrote; ``predictions``: of what it was asked and answered (JSON), ConflictError where that is not kept."""
        asked = self._controller.get(f"{_path(name, version)}/log", lines=lines, predictions=predictions or None)
        found = object_of(asked, "apps/log").get("lines")
        return [str(line) for line in found] if isinstance(found, list) else []

    def run(self, name: str, version: str, inputs: Mapping[str, object]) -> Json:
        """One call: ``{success, errorMessage, outputParameters, outputFiles, consoleOutput, changedFiles}``. UserError where an input is
        wrong, ServiceError where the app failed."""
        path = f"/api/app/{route_segment(name, 'app')}/{route_segment(version, 'version')}/run"
        return object_of(self._proxy().request("POST", path, body=dict(inputs)), "run")

    def _proxy(self) -> JsonClient:
        if self._token is None or self._token[1] - time.time() < RENEWED_SECONDS:
            found = object_of(self._controller.request("POST", f"{PATH}/token"), "apps/token")
            self._token = (str(found["access_token"]), time.time() + float(str(found["expires_in"])), str(found["endpoint"]))
        token, _, endpoint = self._token
        return JsonClient(self._reach(endpoint), lambda: token, 3700.0)


def _path(name: str, version: str) -> str:
    return f"{PATH}/{route_segment(name, 'app')}/{route_segment(version, 'version')}"
