"""Keys of the cluster's secret store that are replaced while their workloads run. The supervisor makes them itself: who asks for it, the
control user, neither brings nor sees a private key."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from controller.supervisor.errors import SupervisorError
from controller.supervisor.host import Host
from controller.supervisor.rendered import Rendered
from controller.supervisor.renewing import keep, lay_again
from pools.keyring import LOOK_SECONDS

KINDS = {"tickets": "ticket.key", "sealing": "sealing.key"}
TICKET_KEYS = "ticket.pub"
PUBLIC = "public.json"
MOST_SECONDS = 30 * 24 * 3600
logger = logging.getLogger("supervisor")


async def rotate(host: Host, workloads: Iterable[Rendered], asked: Mapping[str, object]) -> dict[str, object]:
    """``kind``: tickets or sealing; ``step``: ``add``: another key is in use from now on, and the one before holds for ``seconds`` more;
    ``drop``: those before hold no more. Shards have the new public key before anybody signs with the new one."""
    kind, step, seconds = str(asked.get("kind")), asked.get("step"), asked.get("seconds", 0)
    if kind not in KINDS or step not in ("add", "drop") or not isinstance(seconds, int) or not 0 <= seconds <= MOST_SECONDS:
        raise SupervisorError("invalid_request", f"no such rotation: {kind[:40]!r}, {step!r}, {seconds!r}")
    running = list(workloads)
    values = await asyncio.to_thread(_values, host.folder.secrets, kind, step == "add", seconds)
    laid: list[str] = []
    for name, value in values.items():
        await asyncio.to_thread(keep, host.folder.secrets, {name: value})
        laid += lay_again(host, [one for one in running if any(secret.name == name for secret in one.secrets)])
    if step == "drop":
        await asyncio.sleep(LOOK_SECONDS)  # from now on nobody takes what the old ones signed
    if kind == "sealing":
        await asyncio.to_thread(_publish, host.folder.path, values[KINDS[kind]])
    logger.info("key of %s: %s; laid for %s", kind, step, ", ".join(laid) or "nobody")
    return {"laid": laid}


def _values(folder: Path, kind: str, add: bool, seconds: int) -> dict[str, bytes]:
    """Secrets that change, in the order in which they are laid."""
    from controller.secret_values import new_key, ticket_public_keys  # brings cryptography, which the supervisor does without
    from pools.keyring import added, dropped

    name = KINDS[kind]
    try:
        before = (folder / name).read_bytes()
    except FileNotFoundError:
        raise SupervisorError("invalid_request", f"secret {name!r} is not in the cluster's secret store", "bdc start") from None
    value = added(before, new_key(name), time.time(), seconds) if add else dropped(before)
    return {TICKET_KEYS: ticket_public_keys(value), name: value} if kind == "tickets" else {name: value}


def _publish(folder: Path, value: bytes) -> None:
    """The sealing key's public half, in what any local client may read."""
    from controller.secret_values import sealing_public_key
    from controller.store import write_atomic

    path = folder / PUBLIC
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    content["sealing_public_key"] = sealing_public_key(value)
    write_atomic(path, json.dumps(content, indent=1, ensure_ascii=False).encode(), 0o644)
