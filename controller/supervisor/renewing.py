"""Certificates that are renewed while their workloads run: the controller brings them, the supervisor keeps them in the cluster's secret
store and lays them where they are used. The control user replaces nothing else there: all other secrets are made once."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from controller.supervisor.errors import SupervisorError
from controller.supervisor.host import Host
from controller.supervisor.laying import lay_secrets
from controller.supervisor.rendered import Rendered

NAME = re.compile(r"tls-[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.(crt|key)")
LARGEST = 1 << 18
logger = logging.getLogger("supervisor")


async def renew(host: Host, workloads: Iterable[Rendered], values: Mapping[str, object]) -> list[str]:
    """Keep ``values`` and lay all certificates again; names of the workloads that have some. SupervisorError for any other secret."""
    for name, value in values.items():
        if not NAME.fullmatch(name) or not isinstance(value, str) or len(value) > LARGEST:
            raise SupervisorError("invalid_request", f"{name[:100]!r} is no certificate of the cluster, nor its key")
    concerned = [workload for workload in workloads if any(NAME.fullmatch(secret.name) for secret in workload.secrets)]
    await asyncio.to_thread(keep, host.folder.secrets, {name: str(value).encode() for name, value in values.items()})
    laid = lay_again(host, concerned)
    if values:
        logger.info("certificates renewed: %s; laid for %s", ", ".join(sorted(values)), ", ".join(laid) or "nobody")
    return laid


def lay_again(host: Host, concerned: Iterable[Rendered]) -> list[str]:
    """The secrets of these, anew; names of those where that was done."""
    laid = []
    for workload in concerned:
        try:
            lay_secrets(host.folder, workload, host.identity(workload.pool))  # not in a thread: its child is waited for, and reaped, here
            laid.append(workload.name)
        except OSError as error:  # it was never laid whole: its next start does that
            logger.warning("the secrets of %s can't be laid: %s", workload.name, error)
    return laid


def keep(folder: Path, values: Mapping[str, bytes]) -> None:
    """In the cluster's secret store, each whole or not at all."""
    for name, value in values.items():
        temporary = folder / f".{name}.new"
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / name)
