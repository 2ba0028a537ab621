"""A model of an MLflow registry as a folder here: ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``, by MLflow's REST API alone.

MLflow's own variables say where and as whom: ``MLFLOW_TRACKING_URI`` (``MLFLOW_REGISTRY_URI`` before it), ``MLFLOW_TRACKING_TOKEN``, or
``MLFLOW_TRACKING_USERNAME`` and ``…_PASSWORD``. Without an address it is the cluster's own, as who is logged in. Files come through the
server (``mlflow-artifacts:``): what lies elsewhere takes MLflow itself.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import pathlib
import re
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bdc.errors import AuthenticationError, BdcError, ForbiddenError, NotFoundError, ServiceError, UserError
from bdc.rest import open_connection, unreachable

SCHEME = "models:/"
ALIASED = re.compile(r"models:/+(?P<name>[^/@:]+)@(?P<alias>[^/@]+)")
NUMBERED = re.compile(r"models:/+(?P<name>[^/@:]+)/(?P<version>[1-9][0-9]*)")
FILES = "mlflow-artifacts"
API, CONTENT = "/api/2.0/mlflow", "/api/2.0/mlflow-artifacts/artifacts"
SECONDS = 60.0
MOST_FILES, MOST_BYTES = 5000, 256 * 2**20
"""What an app may hold (docs/guide/apps.md)."""
MOST_ANSWER = 16 * 2**20
BLOCK = 1 << 20
ENDPOINT = "mlflow"
"""Of the cluster's own server, in ``bdc endpoint list``."""
NO_SERVER_HINT = "set MLFLOW_TRACKING_URI to the address of an MLflow server; bdc endpoint list shows the cluster's, docs/guide/mlflow.md"


@dataclass(frozen=True)
class Reference:
    """``models:/NAME@ALIAS`` or, ``version`` given, ``models:/NAME/VERSION``."""

    name: str
    alias: str | None = None
    version: str | None = None

    def __str__(self) -> str:
        return f"{SCHEME}{self.name}" + (f"@{self.alias}" if self.alias else f"/{self.version}")


def reference(text: str) -> Reference:
    """UserError for what names no model's version."""
    if found := ALIASED.fullmatch(text):
        return Reference(found["name"], alias=found["alias"])
    if found := NUMBERED.fullmatch(text):
        return Reference(found["name"], version=found["version"])
    raise UserError(f"{text!r} names no version of a model", where="model", hint="models:/NAME@ALIAS, or models:/NAME/2")


@dataclass(frozen=True)
class Registry:
    """One server. ``authorization``: the value of that header, or nothing; asked for each request."""

    address: str
    authorization: Callable[[], str]

    def version(self, wanted: Reference) -> str:
        """Its number."""
        if wanted.alias is None:
            return str(wanted.version)
        found = self._ask(f"{API}/registered-models/alias", name=wanted.name, alias=wanted.alias)
        return str(_field(found, "model_version", "version"))

    def fetch(self, wanted: Reference, folder: pathlib.Path) -> str:
        """All of its files into ``folder``; which version it was. BdcError."""
        version = self.version(wanted)
        place = str(_field(self._ask(f"{API}/model-versions/get-download-uri", name=wanted.name, version=version), "artifact_uri"))
        parts = urllib.parse.urlsplit(place)
        if parts.scheme != FILES:
            raise UserError(
                f"the files of {wanted} lie at {parts.scheme or 'a path of its server'}, which is not asked here",
                where=str(wanted),
                hint="fetch them with MLflow: mlflow artifacts download --artifact-uri " + str(wanted),
            )
        root, left = parts.path.strip("/"), MOST_BYTES
        for path in self._files(root, ""):
            left -= self._save(f"{root}/{path}", folder / path, left)
        return version

    def _files(self, root: str, below: str) -> Iterator[str]:
        """Paths of the files below ``root``, folders opened."""
        waiting, found = [below], 0
        while waiting:
            folder = waiting.pop()
            listed = self._ask(CONTENT, path=f"{root}/{folder}".rstrip("/"))
            for entry in listed.get("files", []) if isinstance(listed, dict) else []:  # an empty folder's answer names none
                name = str(_field(entry, "path"))
                if not name or name in (".", "..") or "/" in name or "\0" in name:
                    raise ServiceError(f"{self.address} names a file {name!r}", where=self.address)
                path, found = f"{folder}/{name}".lstrip("/"), found + 1
                if found > MOST_FILES:
                    raise UserError(f"the model has more than {MOST_FILES} files, which no app may have", where=root)
                if entry.get("is_dir"):
                    waiting.append(path)
                else:
                    yield path

    def _save(self, path: str, target: pathlib.Path, most: int) -> int:
        """One file; its size."""
        with self._answer(f"{CONTENT}/{urllib.parse.quote(path)}") as response:
            target.parent.mkdir(parents=True, exist_ok=True)
            size = 0
            with target.open("wb") as file:
                while block := response.read(BLOCK):
                    size += len(block)
                    if size > most:
                        raise UserError(f"the model is larger than {MOST_BYTES >> 20} MB, which no app may be", where=path)
                    file.write(block)
        return size

    def _ask(self, call: str, /, **query: str) -> object:
        with self._answer(call + "?" + urllib.parse.urlencode(query)) as response:
            try:
                return json.loads(response.read(MOST_ANSWER))
            except ValueError:
                raise ServiceError(f"{self.address} is no MLflow server", where=self.address, hint=NO_SERVER_HINT) from None

    def _answer(self, target: str) -> _Answer:
        return _Answer(self, target)


class _Answer:
    """A request under way; BdcError for what is no 200, and for a server that breaks off."""

    def __init__(self, registry: Registry, target: str) -> None:
        self._registry, self._target = registry, target
        self._connection = open_connection(registry.address, SECONDS)

    def __enter__(self) -> _Answer:
        given = self._registry.authorization()
        base = urllib.parse.urlsplit(self._registry.address).path.rstrip("/")
        try:
            self._connection.request("GET", base + self._target, headers={"Authorization": given} if given else {})
            self._response = self._connection.getresponse()
            if self._response.status != 200:
                raise _refused(self._registry.address, self._response.status, self._response.read(BLOCK))
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise unreachable(self._registry.address, error, NO_SERVER_HINT) from error
        except BdcError:
            self._connection.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def read(self, most: int) -> bytes:
        """At most so many bytes."""
        try:
            return self._response.read(most)
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(self._registry.address, error) from error


def registry(own: Callable[[], tuple[str, Callable[[], str]] | None]) -> Registry:
    """As the environment says. ``own``: the cluster's server and the login's token, None: there is none. UserError without any."""
    address = os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI") or ""
    if address and not address.startswith(("http://", "https://")):
        raise UserError(f"{address!r} is no address of an MLflow server", where="MLFLOW_TRACKING_URI", hint=NO_SERVER_HINT)
    given = _given()
    if address and given:
        return Registry(address, lambda: given)
    found = own()
    if found is not None and address.rstrip("/") in ("", found[0].rstrip("/")):
        return Registry(found[0], lambda: f"Bearer {found[1]()}")
    if not address:
        raise UserError("there is no MLflow server to ask", where="MLFLOW_TRACKING_URI", hint=NO_SERVER_HINT)
    return Registry(address, str)  # nobody else gets the login's token


def _given() -> str:
    """What MLflow's variables log in with; nothing where they say nothing."""
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    if user:
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return f"Bearer {token}" if token else ""


def _field(content: object, *path: str) -> Any:  # noqa: ANN401 (JSON)
    for name in path:
        if not isinstance(content, dict) or name not in content:
            raise ServiceError("the server's answer is none of MLflow's: it holds no " + ".".join(path), hint=NO_SERVER_HINT)
        content = content[name]
    return content


def _refused(address: str, status: int, body: bytes) -> BdcError:
    try:
        said = str(json.loads(body)["message"])[:500]
    except (ValueError, LookupError, TypeError):
        said = f"HTTP {status}"
    if status == 401:
        return AuthenticationError(f"{address}: {said}", where=address, hint="export MLFLOW_TRACKING_TOKEN=$(bdc auth token)")
    if status == 403:
        return ForbiddenError(f"{address}: {said}", where=address)
    if status in (400, 404):
        return NotFoundError(f"{address}: {said}", where="model")
    return ServiceError(f"{address}: {said}", where=address)
