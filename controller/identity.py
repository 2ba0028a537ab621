"""The identity of a cluster, ``cluster.json`` of the store: an id that outlives names (tokens name it as their issuer), and who made it."""

from __future__ import annotations

import time
import uuid
from typing import Any

from controller.errors import StoreError
from controller.store import Store

FILE = "cluster.json"
USUAL_ADMIN = "admin"


def cluster_id(store: Store) -> str:
    """The cluster's id, made at the first call."""

    def change(before: Any) -> Any:  # noqa: ANN401 (what the file holds)
        return {**_new(), **(before or {})}

    content = store.read(FILE)
    if content is None:
        content = store.update(FILE, change)
    found = content.get("id") if isinstance(content, dict) else None
    if not isinstance(found, str):
        place = store.where(FILE)
        raise StoreError(f"{place} holds no id", where=place, hint="restore it from a backup")
    return found


def issuer(cluster: str) -> str:
    """Who a cluster's tokens say has made them."""
    return f"openbdc:{cluster}"


def remember_first_admin(store: Store, name: str) -> None:
    """Who made the cluster: HDFS's superuser for as long as it lives, since changing that restarts HDFS."""

    def change(before: Any) -> Any:  # noqa: ANN401 (what the file holds)
        return {**(before or _new()), "first_admin": name}

    store.update(FILE, change)


def first_admin(store: Store) -> str:
    """The name of the first admin; the usual one for a cluster that does not remember it."""
    content = store.read(FILE)
    found = content.get("first_admin") if isinstance(content, dict) else None
    return found if isinstance(found, str) else USUAL_ADMIN


def _new() -> dict[str, object]:
    return {"id": str(uuid.uuid4()), "created_at": round(time.time(), 3)}
