"""The API server, as few calls as we need, with plain dicts instead of the client library's models: these are what manifests are, and
reading them into thousands of generated classes costs more time than the request.

Addresses, certificates and logins are the official client's (``kubernetes.config``). Foreign errors stop here: ``ApiError``.
"""

from __future__ import annotations

import datetime
import email.utils
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import urlencode

from controller.errors import SubstrateError

Json = dict[str, Any]
Body = Json | list[Json]
FIELD_MANAGER = "openbdc"
SECONDS = 10.0
BUSY_SECONDS = 8.0
"""For so long a request is tried again that the server was too busy to look at (429): so answers a kind that was defined just now."""
PAUSE, SHORTEST_PAUSE = 1.0, 0.05
CONNECTIONS = 16
"""Kept open: watches hold one each."""
STRICT = {"fieldValidation": "Strict"}
"""Unknown fields are refused instead of dropped: a manifest of ours that has one is wrong."""
PATCHES = {"apply": "application/apply-patch+yaml", "merge": "application/merge-patch+json", "json": "application/json-patch+json"}
PLURALS = {
    "BigDataCluster": "bigdataclusters",
    "ConfigMap": "configmaps",
    "CustomResourceDefinition": "customresourcedefinitions",
    "Deployment": "deployments",
    "Event": "events",
    "Ingress": "ingresses",
    "Job": "jobs",
    "Lease": "leases",
    "LimitRange": "limitranges",
    "Namespace": "namespaces",
    "NetworkPolicy": "networkpolicies",
    "Node": "nodes",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "ResourceQuota": "resourcequotas",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "StatefulSet": "statefulsets",
    "StorageClass": "storageclasses",
}
"""Kind → name in paths; a kind of ours that is missing here is a KeyError in the first test."""


class ApiError(SubstrateError):
    """The API server refused (``number`` is HTTP's: 409, 403 …) or does not answer (None). ``after``: seconds after which it asks for
    another try."""

    def __init__(
        self, message: str, *, number: int | None, where: str | None = None, hint: str | None = None, after: float = PAUSE
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.number = number
        self.after = after

    @property
    def conflict(self) -> bool:
        """Somebody else changed it meanwhile, or it exists already: read it again and try again."""
        return self.number == 409

    @property
    def unreachable(self) -> bool:
        """There was no answer, or one that says that the server can't answer now."""
        return self.number is None or self.number in (429, 500, 502, 503, 504)


def path_of(api_version: str, kind: str, namespace: str | None = None, name: str | None = None) -> str:
    """``("apps/v1", "Deployment", "ns", "x")`` → ``/apis/apps/v1/namespaces/ns/deployments/x``. Names are ours or checked before."""
    root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{inside}/{PLURALS[kind]}" + (f"/{name}" if name else "")


def path_of_object(manifest: Json) -> str:
    """The path of the object that a manifest describes."""
    metadata = manifest["metadata"]
    return path_of(manifest["apiVersion"], manifest["kind"], metadata.get("namespace"), metadata["name"])


class Api:
    """One API server. Safe in several threads. ``client``: ``kubernetes.client.ApiClient``; ``calls``: requests made so far."""

    def __init__(self, client: Any, seconds: float = SECONDS) -> None:  # noqa: ANN401 (the library comes with the extra)
        self._client = client
        self._seconds = seconds
        self._mutex = threading.Lock()
        self.calls = 0

    def get(self, path: str) -> Json | None:
        """One object; None when it is not there."""
        try:
            return self._json("GET", path)
        except ApiError as error:
            if error.number == 404:
                return None
            raise

    def list(self, path: str, selector: str = "", fields: str = "") -> list[Json]:
        """All objects of a kind that ``selector`` (labels) and ``fields`` choose, in one call whatever their number."""
        found: list[Json] = self._json("GET", path, query={"labelSelector": selector, "fieldSelector": fields})["items"]
        return found

    def create(self, path: str, manifest: Json, *, dry_run: bool = False) -> Json:
        """POST to the path of the kind. ApiError ``conflict`` when it exists."""
        return self._json("POST", path, manifest, query={"fieldManager": FIELD_MANAGER, **STRICT, **_dry(dry_run)})

    def replace(self, path: str, manifest: Json) -> Json:
        """PUT; with ``metadata.resourceVersion`` in it ApiError ``conflict`` when somebody changed it meanwhile."""
        return self._json("PUT", path, manifest, query={"fieldManager": FIELD_MANAGER})

    def apply(self, manifest: Json, *, path: str | None = None, dry_run: bool = False) -> Json:
        """Server-side apply as manager ``openbdc``, by force: the fields given are ours from now on, those we gave up are removed."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true", **STRICT, **_dry(dry_run)}
        return self._json("PATCH", path or path_of_object(manifest), manifest, query=query, kind="apply")

    def merge(self, path: str, change: Json) -> Json:
        """Merge patch: null removes a field, lists are replaced."""
        return self._json("PATCH", path, change, query={"fieldManager": FIELD_MANAGER}, kind="merge")

    def edit(self, path: str, steps: Body, *, manager: str = FIELD_MANAGER) -> Json:
        """JSON patch: all steps or none; a step ``test`` that does not hold is ApiError 422."""
        return self._json("PATCH", path, steps, query={"fieldManager": manager}, kind="json")

    def delete(self, path: str, *, uid: str | None = None, propagation: str = "Background", grace: int | None = None) -> bool:
        """Whether there was something to delete. ``uid``: only that very object (ApiError ``conflict`` otherwise)."""
        options: Json = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            self._json("DELETE", path, options)
        except ApiError as error:
            if error.number == 404:
                return False
            raise
        return True

    def version(self) -> tuple[str, datetime.datetime]:
        """Kubernetes' version (``v1.35.0``), and the time of the server's clock, in whole seconds."""
        with self._response("GET", "/version", None, {}, None, self._seconds) as response:
            found = json.loads(response.data)
            return str(found.get("gitVersion")), email.utils.parsedate_to_datetime(response.headers["Date"])

    def text(self, path: str, query: Mapping[str, str]) -> str:
        """An answer that is no JSON: a pod's log."""
        with self._response("GET", path, None, query, None, self._seconds) as response:
            return cast(bytes, response.data).decode("utf-8", "replace")

    def watch(self, path: str, *, fields: str = "", selector: str = "", seconds: int = 300) -> Iterator[Json]:
        """Events ``{"type", "object"}`` of a kind from now on, for ``seconds`` at most. ApiError when the server goes away."""
        query = {"watch": "true", "fieldSelector": fields, "labelSelector": selector, "timeoutSeconds": str(seconds)}
        with self._response("GET", path, None, query, None, seconds + self._seconds, stream=True) as response:
            yield from _lines(response, path)

    def _json(self, method: str, path: str, body: Body | None = None, *, query: Mapping[str, str] | None = None, kind: str = "") -> Json:
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                with self._response(method, path, body, query or {}, PATCHES.get(kind), self._seconds) as response:
                    return cast(Json, json.loads(response.data))
            except ValueError:
                raise ApiError(f"the API server's answer to {method} {path} is no JSON", number=None, where=path) from None
            except ApiError as error:
                if error.number != 429 or time.monotonic() + error.after > deadline:
                    raise
                time.sleep(max(SHORTEST_PAUSE, error.after))

    @contextmanager
    def _response(  # noqa: PLR0913 (the parts of a request)
        self,
        method: str,
        path: str,
        body: Body | None,
        query: Mapping[str, str],
        kind: str | None,
        seconds: float,
        *,
        stream: bool = False,
    ) -> Iterator[Any]:
        import urllib3

        with self._mutex:
            self.calls += 1
        headers = {**self._client.default_headers, "Accept": "application/json", "Content-Type": kind or "application/json"}
        self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        shown = urlencode({key: value for key, value in query.items() if value})
        address = self._client.configuration.host + path + (f"?{shown}" if shown else "")
        response = None
        try:
            response = self._client.rest_client.pool_manager.request(
                method,
                address,
                body=None if body is None else json.dumps(body).encode(),
                headers=headers,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=min(5.0, seconds), read=seconds),
            )
            if not stream or response.status >= 400:
                response.data  # noqa: B018 (reads it, so that errors come here)
            if response.status >= 400:
                raise _refused(method, path, response.status, response.data, _after(response.headers))
            yield response
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(
                f"the API server does not answer: {_reason(error)}", number=None, where=path, hint="kubectl get --raw /readyz"
            ) from error
        finally:
            if response is not None:
                response.release_conn() if not stream else response.close()


def connect(kubeconfig: str | None = None, context: str | None = None) -> Api:
    """From inside a pod, or with a kubeconfig. SubstrateError when neither is there."""
    from kubernetes import client, config

    settings = client.Configuration()
    try:
        if kubeconfig is None and context is None:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        else:
            config.load_kube_config(config_file=kubeconfig, context=context, client_configuration=settings)  # type: ignore[no-untyped-call]
    except (config.ConfigException, OSError) as error:
        raise SubstrateError(
            f"no way to the API server: {error}", where="kubeconfig", hint="outside of a pod name one: --kubeconfig FILE"
        ) from error
    settings.retries = False
    settings.connection_pool_maxsize = CONNECTIONS
    return Api(client.ApiClient(settings))


def _dry(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _lines(response: Any, path: str) -> Iterator[Json]:  # noqa: ANN401 (urllib3's response)
    rest = b""
    for piece in response.stream(65536):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            event: Json = json.loads(line)
            if event.get("type") == "ERROR":
                raise _refused("WATCH", path, int(event["object"].get("code", 500)), json.dumps(event["object"]).encode())
            yield event


def _after(headers: Mapping[str, str]) -> float:
    try:
        return float(headers.get("Retry-After", PAUSE))
    except ValueError:
        return PAUSE


def _refused(method: str, path: str, number: int, body: bytes, after: float = PAUSE) -> ApiError:
    """The server's own sentence; its Status object names the fields, never the values of a Secret."""
    try:
        answer = json.loads(body)
        message = str(answer["message"])
    except (ValueError, KeyError, TypeError):
        message = f"{method} {path}: HTTP {number}"
    return ApiError(f"the API server refused: {message}", number=number, where=path, hint=_hint(number, message), after=after)


def _hint(number: int, message: str) -> str | None:
    if number == 403 and "being terminated" in message:
        return "the namespace is being deleted; wait until it is gone: kubectl get namespace"
    if number == 403 and "exceeded quota" in message:
        return "raise the quota or lower the spec's sizes: kubectl describe resourcequota"
    if number in (401, 403):
        return "the chart's Role lacks this right: kubectl auth can-i --list --as system:serviceaccount:NAMESPACE:openbdc; helm upgrade"
    return None


def _reason(error: Exception) -> str:
    """urllib3 names pool and address in its messages; the last cause is what says something."""
    inner: BaseException = error
    while inner.__cause__ is not None or isinstance(getattr(inner, "reason", None), BaseException):
        inner = inner.__cause__ or inner.reason  # type: ignore[attr-defined]
    return str(inner).rsplit(": ", 1)[-1] or type(inner).__name__
