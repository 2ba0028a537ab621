"""Apps of a cluster: changed through the controller, called at the app proxy itself."""

from __future__ import annotations

import builtins
import dataclasses
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, overload

from bdc.errors import UserError
from bdc.names import kind_of, route_segment
from bdc.rest import JsonClient, object_of, objects_of

if TYPE_CHECKING:
    from bdc.batches import Rows
    from bdc.publishing import Types

Json = dict[str, object]
PATH = "/api/v1/apps"
LIVE = "live"
READY_SECONDS = 600.0
"""An environment with its packages may have to be built."""
CALL_SECONDS = 3700.0
"""An app's calls may take an hour."""
RENEWED_SECONDS = 10.0
"""A token that ends so soon is not used any more."""


class Apps:
    """As one logged-in user sees them. ``reach``: turns an address of the cluster into one that is reached from here. ``by_gateway``: the
    controller is reached through the gateway, where apps are at the same address, with the same login."""

    def __init__(self, controller: JsonClient, reach: Callable[[str], str] = str, *, by_gateway: bool = False) -> None:
        self._by_gateway = by_gateway
        self._controller = controller
        self._reach = reach
        self._token: tuple[str, float, str] | None = None

    def list(self) -> list[Json]:
        """``[{name, version, state, reason, runtime, digest}]``"""
        return objects_of(self._controller.get(PATH), "apps")

    def describe(self, name: str, version: str | None = None) -> Json:
        """``describe("house@v1")``, ``describe("house", "v1")``: state, reason, inputs, outputs, links, counts; NotFoundError."""
        return object_of(self._controller.get(_path(*_chosen(name, version, LIVE))), "apps")

    def create(self, package: bytes | str | pathlib.Path, *, seconds: float = READY_SECONDS) -> Json:
        """A new version; what ``describe`` gives. ConflictError when it exists.

        A folder with its ``spec.yaml`` is packed, sent, and waited for until it is Ready; ServiceError with the reason when it can't be
        started. Bytes are a package as ``apps.package.pack`` makes it, and nothing is waited for: it is ready when its state says so.
        """
        return self._sent("POST", package, seconds)

    def update(self, package: bytes | str | pathlib.Path, *, seconds: float = READY_SECONDS) -> Json:
        """Another package for a version that is there, as ``create``; the old one answers until the new one is ready. NotFoundError."""
        return self._sent("PUT", package, seconds)

    def _sent(self, method: str, package: bytes | str | pathlib.Path, seconds: float) -> Json:
        if isinstance(package, bytes):
            return object_of(self._controller.request(method, PATH, body=package), "apps")
        from bdc import publishing

        made = publishing.packed(pathlib.Path(package))
        return publishing.settled(self, self._sent(method, made.archive, seconds), made.digest, seconds)

    def publish(  # noqa: PLR0913 - the one call that a notebook makes
        self,
        function: Callable[..., object],
        *,
        name: str | None = None,
        version: str = "v1",
        inputs: Mapping[str, Types] | None = None,
        output: Mapping[str, Types] | Types | None = None,
        requirements: Sequence[str] = (),
        update: bool = False,
        **fields: object,
    ) -> Json:
        """A function of this notebook or file as an app: made from its source, created (``update``: put in the version's place), waited
        for; its description.

        ``name`` None: the function's. ``inputs`` and ``output`` None: by the annotations, the output named ``result``; types are Python's
        or those of docs/guide/apps.md, several outputs a dict. ``requirements``: packages that it imports, beside the standard library.
        ``fields``: further ones of spec.yaml (``timeout``, ``resources``, …), ``sample``: the package's sample.json.

        UserError for what has no text that could be sent: lambdas, closures, decorated functions, and those that use variables of the
        session other than constants, modules, and functions beside it. ServiceError when it can't be started; ConflictError.
        """
        from bdc import publishing

        made = publishing.Publication(function, name, version, inputs, output, tuple(requirements), fields).package()
        found = self._sent("PUT" if update else "POST", made.archive, READY_SECONDS)
        return publishing.settled(self, found, made.digest, READY_SECONDS)

    def delete(self, name: str, version: str | None = None, *, live: bool = False) -> None:
        """Nothing of ``house@v1`` is left; NotFoundError; ConflictError while calls of ``NAME@live`` go to it, unless ``live``."""
        self._controller.request("DELETE", _path(*_chosen(name, version, None)), query={"live": True} if live else None)

    def promote(self, name: str, version: str | None = None) -> Json:
        """``NAME@live`` means this version from now on; without one, that which a canary is under way for. ConflictError where it is not
        ready, or fails its sample. What ``describe`` gives."""
        return object_of(self._controller.request("POST", f"{_path(*_chosen(name, version, LIVE))}/promote"), "apps/promote")

    def canary(self, name: str, version: str, percent: int) -> Json:
        """This version gets so many percent (0 to 99) of the calls of ``NAME@live``. ConflictError while another one is tried."""
        return object_of(self._controller.request("POST", f"{_path(name, version)}/canary", query={"percent": percent}), "apps/canary")

    def rollback(self, name: str) -> Json:
        """The version that was live before is so again. ConflictError where there is none."""
        return object_of(self._controller.request("POST", f"{_path(name, 'live')}/rollback"), "apps/rollback")

    def log(self, name: str, version: str | None = None, lines: int = 100, *, predictions: bool = False) -> builtins.list[str]:
        """The last lines that it wrote; ``predictions``: of what it was asked and answered (JSON), ConflictError where that is not kept."""
        asked = self._controller.get(f"{_path(*_chosen(name, version, LIVE))}/log", lines=lines, predictions=predictions or None)
        found = object_of(asked, "apps/log").get("lines")
        return [str(line) for line in found] if isinstance(found, list) else []

    def history(self, name: str, version: str | None = None, lines: int = 100) -> builtins.list[Json]:
        """The last runs by its schedule, oldest first: ``{planned, started, ended, result, noticed, reason}``, times in UTC. ``result``:
        ok, error, missed (up to ``until``, ``missed`` of them), interrupted, running."""
        asked = self._controller.get(f"{_path(*_chosen(name, version, LIVE))}/history", lines=lines)
        return objects_of(object_of(asked, "apps/history").get("runs"), "apps/history")

    def secrets(self, name: str) -> builtins.list[Json]:
        """``[{name, since, by, versions}]``: secrets of an app, and those that its versions ask for; never a value."""
        return objects_of(object_of(self._controller.get(_secret(name)), "app-secrets").get("secrets"), "app-secrets")

    def set_secret(self, name: str, secret: str, value: str) -> builtins.list[str]:
        """For the workers of this app; the versions that start anew with it (``house@v1``). ConflictError while one is being changed."""
        answer = object_of(self._controller.request("PUT", _secret(name, secret), body={"value": value}), "app-secrets")
        restarted = answer.get("restarted")
        return [str(one) for one in restarted] if isinstance(restarted, list) else []

    def delete_secret(self, name: str, secret: str) -> None:
        """NotFoundError; ConflictError while a version asks for it."""
        self._controller.request("DELETE", _secret(name, secret))

    @overload
    def run(self, app: str, inputs: Mapping[str, object], /) -> Json: ...

    @overload
    def run(self, name: str, version: str, inputs: Mapping[str, object]) -> Json: ...

    def run(self, name: str, version: str | Mapping[str, object], inputs: Mapping[str, object] | None = None) -> Json:
        """One call, ``run("house@v1", {…})`` or ``run("house", "v1", {…})``: ``{success, errorMessage, outputParameters, outputFiles,
        consoleOutput, changedFiles}``. UserError where an input is wrong, ServiceError where the app failed."""
        given = inputs if isinstance(version, str) else version
        if given is None:
            raise UserError("which inputs?", hint='run("house@v1", {"x": 1}); {} where the app has none')
        chosen, number = _chosen(name, version if isinstance(version, str) else None, LIVE)
        if not isinstance(given, Mapping):
            raise UserError(f"inputs are a dict of names and values, this is a {kind_of(given)}", hint='run("house@v1", {"x": 1})')
        from bdc.batches import carried

        path = f"/api/app/{route_segment(chosen, 'app')}/{route_segment(number, 'version')}/run"
        return object_of(self._proxy().request("POST", path, body=carried(given)), "run")

    def score(self, rows: Rows, app: str) -> Rows:
        """``rows`` (a pandas DataFrame, an Arrow table, a list of dicts) with the outputs of ``app`` (``house@live``) as further columns,
        of the same kind and in the same order. Columns are inputs by their names (upper and lower case alike where there is no exact one),
        others pass through.

        Each row is a call, sent in batches to one version, which is chosen as it begins. UserError for a column that is missing or of a
        wrong type, ServiceError where the app failed: the first such row ends it, and the message has its number (from 0).
        """
        from bdc import batches

        return batches.score(batches.Batched.find(self._proxy(), *named(app)), rows)

    def _proxy(self) -> JsonClient:
        if self._by_gateway:
            return dataclasses.replace(self._controller, timeout=CALL_SECONDS)
        if self._token is None or self._token[1] - time.time() < RENEWED_SECONDS:
            found = object_of(self._controller.request("POST", f"{PATH}/token"), "apps/token")
            self._token = (str(found["access_token"]), time.time() + float(str(found["expires_in"])), str(found["endpoint"]))
        token, _, endpoint = self._token
        return JsonClient(self._reach(endpoint), lambda: token, CALL_SECONDS)


def _secret(name: str, secret: str | None = None) -> str:
    base = f"/api/v1/app-secrets/{route_segment(name, 'app')}"
    return base if secret is None else f"{base}/{route_segment(secret, 'secret')}"


def _path(name: str, version: str) -> str:
    return f"{PATH}/{route_segment(name, 'app')}/{route_segment(version, 'version')}"


def named(app: str) -> tuple[str, str]:
    """Name and version of ``house@v1``; of ``house`` the live one. UserError."""
    if not isinstance(app, str):
        raise UserError(f"an app is named by a text such as 'house@v1', not by {kind_of(app)}", hint="session.apps.list() has the names")
    name, _, version = app.partition("@")
    return name, version or LIVE


def _chosen(app: str, version: str | None, default: str | None) -> tuple[str, str]:
    """Of ``house@v1``, or of name and version. UserError."""
    name, number = named(app)
    if version is not None and "@" in app:
        raise UserError(f"the version of {name} is named twice", where=app, hint=f"leave out {version!r}")
    if version is None and default is None and "@" not in app:
        raise UserError(f"which version of {name}?", where=app, hint=f"write it as '{name}@v1'")
    return name, number if version is None else version
