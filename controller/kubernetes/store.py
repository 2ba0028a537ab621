"""The controller's store on Kubernetes: one Secret, a key per document, changed only as long as nobody else did (``resourceVersion``).

Reads may be a second old, and older while the API server is away, so that the API can still say who may ask and what is wrong. A Secret
that was deleted by hand is made again from what this controller holds in memory: users and keys must not be lost to a slip.
"""

from __future__ import annotations

import base64
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from controller.errors import ControllerError, StoreError
from controller.kubernetes.api import Api, ApiError, Json, path_of
from controller.kubernetes.names import STORE, kept_metadata
from controller.log import Log

FRESH_SECONDS = 1.0
AWAY_SECONDS = 5.0
"""While the API server is away only one reader in so long waits to find that out."""
TRIED_SECONDS = 30.0
PAUSE, LONGEST_PAUSE = 0.02, 1.0
"""Seconds, at most, before the first new try; doubled each time."""
log = Log("store")


class SecretStore:
    """``Store`` in the Secret ``openbdc-store`` of ``namespace``."""

    def __init__(self, api: Api, namespace: str, cluster: str) -> None:
        self._api = api
        self._namespace = namespace
        self._cluster = cluster
        self._path = path_of("v1", "Secret", namespace, STORE)
        self._mutex = threading.Lock()  # of the snapshot
        self._writing = threading.RLock()  # a change may change another document: its own write finds that, and is tried anew
        self._seen: Json | None = None
        self._seen_at = float("-inf")
        self._away_until = float("-inf")
        self._steady = 0
        self._closed = False

    def read(self, name: str) -> Any | None:  # noqa: ANN401 (what the document holds)
        """The content, or None."""
        with self._mutex:
            now = time.monotonic()
            if now - self._seen_at > FRESH_SECONDS and now > self._away_until and not self._steady:
                try:
                    self._look()
                except ApiError as error:
                    if not error.unreachable or self._seen is None:
                        raise self._told(error, name) from error
                    self._away_until = time.monotonic() + AWAY_SECONDS
            return self._content(self._seen, name)

    def look(self, name: str) -> Any | None:  # noqa: ANN401 (what the document holds)
        """As ``read``."""
        return self.read(name)

    def write(self, name: str, content: Any) -> None:  # noqa: ANN401 (what the document holds)
        """Replace it."""
        self.update(name, lambda _before: content)

    def update(self, name: str, change: Callable[[Any], Any], *, durable: bool = True) -> Any:  # noqa: ANN401 (what it holds; always)
        """As long as others are quicker it is tried anew."""
        deadline, pause = time.monotonic() + TRIED_SECONDS, PAUSE
        with self._writing:
            while True:
                try:
                    return self._try(name, change)
                except ApiError as error:
                    if not error.conflict or time.monotonic() > deadline:
                        raise self._told(error, name) from error
                time.sleep(random.uniform(0, pause))  # noqa: S311 (no secret)
                pause = min(LONGEST_PAUSE, pause * 2)

    def where(self, name: str) -> str:
        """Secret and key."""
        return f"key {name} of Secret {self._namespace}/{STORE}"

    @contextmanager
    def steady(self) -> Iterator[None]:
        """For a pass: read once before, and see one state of everything, but for what is changed by this controller. ControllerError."""
        with self._mutex:
            try:
                self._look()
            except ApiError as error:
                raise self._told(error, "*") from error
            self._steady += 1
        try:
            yield
        finally:
            with self._mutex:
                self._steady -= 1

    def close(self) -> None:
        """The cluster is gone: nothing is made again from memory."""
        self._closed = True

    def _try(self, name: str, change: Callable[[Any], Any]) -> Any:  # noqa: ANN401 (what the document holds)
        with self._mutex:
            self._look()
            secret = self._seen
        before = self._content(secret, name)
        after = change(before)
        if after == before:
            return after
        data = {name: base64.b64encode(json.dumps(after, sort_keys=True, ensure_ascii=False).encode()).decode()}
        if secret is None:
            changed = self._create(data)
        else:
            changed = self._api.merge(self._path, {"metadata": {"resourceVersion": secret["metadata"]["resourceVersion"]}, "data": data})
        self._keep(changed)
        return after

    def _look(self) -> None:
        """Read the Secret; called with ``_mutex`` held."""
        found = self._api.get(self._path)
        if found is None and self._seen is not None and not self._closed:
            log.warning("the store was deleted; it is made again from memory", secret=STORE, namespace=self._namespace)
            try:
                found = self._create(self._seen.get("data") or {})
            except ApiError as error:
                if not error.conflict:  # somebody else made it
                    raise
                found = self._api.get(self._path)
        self._seen, self._seen_at = found, time.monotonic()

    def _create(self, data: Json) -> Json:
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": kept_metadata(STORE, self._namespace, self._cluster),
            "data": data,
        }
        return self._api.create(path_of("v1", "Secret", self._namespace), manifest)

    def _keep(self, secret: Json) -> None:
        with self._mutex:
            self._seen, self._seen_at = secret, time.monotonic()

    def _content(self, secret: Json | None, name: str) -> Any | None:  # noqa: ANN401 (what the document holds)
        encoded = ((secret or {}).get("data") or {}).get(name)
        if encoded is None:
            return None
        try:
            return json.loads(base64.b64decode(encoded))
        except (ValueError, RecursionError) as error:
            raise StoreError(
                f"{self.where(name)} is damaged: {error}",
                where=self.where(name),
                hint=f"restore it from a backup, or remove the key (kubectl -n {self._namespace} edit secret {STORE}): the controller then "
                "starts with an empty one",
            ) from None

    def _told(self, error: ApiError, name: str) -> ControllerError:
        hint = error.hint
        if error.number in (413, 422):
            hint = "a Secret holds 1 MiB: end and forget Spark jobs with long arguments"
        elif error.conflict:
            hint = "others write all the time; try again"
        return StoreError(f"{self.where(name)} can't be reached: {error.message}", where=self.where(name), hint=hint)
