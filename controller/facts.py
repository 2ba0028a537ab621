"""Facts about a cluster which the spec can't hold: its public keys, who made it, the version of a system PostgreSQL."""

from __future__ import annotations

import json
import pathlib
import re
import shlex
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from controller.errors import ControllerError, NotReadyError
from controller.identity import USUAL_ADMIN, cluster_id, first_admin, issuer
from controller.spark_places import SparkPlaces
from controller.spec import ClusterSpec
from controller.store import FolderStore
from controller.substrates.local.mlflow import install_line, mlflow_program
from controller.substrates.local.programs import ProgramMissingError, program
from pools.master.offload import file_name

PUBLIC = "public.json"
SEALING = "sealing_public_key"
TICKETS = "ticket_public_key"
MODULES = "modules"
"""Folder of a cluster with the libraries that were built for its master."""


@dataclass(frozen=True)
class Facts:
    """``sealing_key``, ``ticket_key``: public, base64, None while there is none; ``postgresql_version``: major version of the master's
    programs; ``first_admin``: HDFS's superuser; ``spark_users``: whose each Spark Connect server is, None: nobody's; ``offload``: path of
    the master's module, None where it could not be built; ``listen``: the address that pools bind to: loopback on one machine, all
    addresses in a pod, where NetworkPolicies say who may come; ``postgresql_tls``, ``postgresql_ldap``: whether the master's PostgreSQL was
    built with TLS, with LDAP; ``postgresql_delays``: whether it has the module that answers wrong passwords late;
    ``issuer``: of the controller's tokens; ``controller``: by this name it is reached; ``mlflow``: path of MLflow's program, None
    where it is not installed or not wanted, and ``mlflow_hint`` says what brings it."""

    sealing_key: str | None = None
    ticket_key: str | None = None
    postgresql_version: int = 18
    first_admin: str = USUAL_ADMIN
    spark_users: tuple[str | None, ...] = ()
    offload: str | None = None
    listen: str = "127.0.0.1"
    postgresql_tls: bool = True
    postgresql_ldap: bool = False
    postgresql_delays: bool = False
    issuer: str = ""
    controller: str = "control"
    mlflow: str | None = None
    mlflow_hint: str = ""


def facts(folder: pathlib.Path, spec: ClusterSpec) -> Facts:
    """What only the machine knows, for the workloads."""
    store = FolderStore(folder / "store")
    version = postgresql_version(spec.spec.pools.master.postgresql.bin)
    module = folder / MODULES / file_name(version)
    return Facts(
        sealing_key=_public(folder, SEALING),
        ticket_key=_public(folder, TICKETS),
        postgresql_version=version,
        first_admin=first_admin(store),
        issuer=issuer(cluster_id(store)),
        spark_users=SparkPlaces(store).users(),
        offload=str(module) if module.is_file() else None,
        postgresql_tls=postgresql_tls(spec.spec.pools.master.postgresql.bin),
        postgresql_ldap=postgresql_ldap(spec.spec.pools.master.postgresql.bin),
        postgresql_delays=postgresql_delays(spec.spec.pools.master.postgresql.bin),
        mlflow=mlflow_program(spec),
        mlflow_hint=install_line(spec),
    )


def postgresql_version(folder: str | None) -> int:
    """Major version of a system PostgreSQL; the product's own is known."""
    if folder is None:
        return Facts.postgresql_version
    program = pathlib.Path(folder) / "postgres"
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ControllerError(f"{program} can't be run: {error}", where="spec.pools.master.postgresql.bin") from None
    found = re.search(r"\b(\d+)(?:\.|devel|beta|rc|\b)", answer)
    if found is None:
        raise ControllerError(f"{program} does not say its version: {answer[:100]!r}", where="spec.pools.master.postgresql.bin")
    return int(found.group(1))


def postgresql_tls(folder: str | None) -> bool:
    """Whether a PostgreSQL speaks TLS, as its pg_config says; the product's own does not, and one that does not tell is taken for one that
    does not, since the front serves any."""
    return bool({"--with-openssl", "--with-ssl"} & _built_with(folder))


def postgresql_ldap(folder: str | None) -> bool:
    """Whether it asks a directory about passwords; the product's own does not."""
    return "--with-ldap" in _built_with(folder)


@lru_cache
def postgresql_delays(folder: str | None) -> bool:
    """Whether ``auth_delay`` is there, which some systems have in a package of its own: a server that can't load it does not start."""
    try:
        command = [program("pg_config", folder), "--pkglibdir"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError, ProgramMissingError):
        return False
    return (pathlib.Path(answer.stdout.strip()) / "auth_delay.so").is_file()


@lru_cache
def _built_with(folder: str | None) -> frozenset[str]:
    """Options that a system PostgreSQL was configured with, values apart; none where it does not tell."""
    if folder is None:
        return frozenset()
    try:
        answer = subprocess.run([pathlib.Path(folder) / "pg_config", "--configure"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return frozenset()
    return frozenset(option.partition("=")[0] for option in shlex.split(answer.stdout))


def sealing_key(folder: pathlib.Path) -> str:
    """The cluster's public sealing key (base64) from ``public.json``; the private one is the compute pool's alone."""
    key = _public(folder, SEALING)
    if key is None:
        path = folder / PUBLIC
        raise NotReadyError(f"{path} holds no sealing key", where=str(path), hint="'bdc start' writes it anew")
    return key


def _public(folder: pathlib.Path, name: str) -> str | None:
    try:
        content: Any = json.loads((folder / PUBLIC).read_text(encoding="utf-8"))
        key = content.get(name)
    except (OSError, ValueError, AttributeError):
        return None
    return key if isinstance(key, str) else None
