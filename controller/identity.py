"""The identity of a cluster: an id that outlives names, in ``cluster.json`` of the store. Tokens name it as their issuer."""

from __future__ import annotations

import time
import uuid
from typing import Any

from controller.errors import StoreError
from controller.store import Store

FILE = "cluster.json"


def cluster_id(store: Store) -> str:
    """The cluster's id, made at the first call."""

    def change(before: Any) -> Any:  # noqa: ANN401 (what the file holds)
        return {"id": str(uuid.uuid4()), "created_at": round(time.time(), 3)} if before is None else before

    content = store.read(FILE) or store.update(FILE, change)
    found = content.get("id") if isinstance(content, dict) else None
    if not isinstance(found, str):
        path = store.folder / FILE
        raise StoreError(f"{path} holds no id", where=str(path), hint="restore it from a backup")
    return found
