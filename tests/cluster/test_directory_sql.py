"""``sqlLogin: ldap``: a cluster whose master, Debian's PostgreSQL, asks a real directory about passwords. People come with psql and the
directory's password, and never ran `bdc login`."""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from pyarrow import flight

from tests.cluster.test_debian_postgresql import Session, address, programs
from tests.patience import PATIENCE, eventually
from tests.services.cluster import Stage, folder
from tests.services.directory.certificates import Authority
from tests.services.directory.slapd import GROUPS, PASSWORD, PEOPLE, READER, Slapd, missing, slapd_server

READERS_PASSWORD = "planted-reader-7183"


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    if (reason := missing()) is not None:
        pytest.skip(reason)
    with slapd_server() as server:
        server.change(READER, userPassword=[READERS_PASSWORD])
        server.group("analysts", server.person("ada"), server.person("dora"))
        server.group("team", server.person("eva"), f"cn=analysts,{GROUPS}")
        server.group("company", f"cn=team,{GROUPS}", server.person("x,ou=people"), f"uid=ghost,{PEOPLE}")
        server.person("ulla")
        yield server


def spec(stage: Stage, slapd: Slapd) -> str:
    away = slapd.ldaps.replace("127.0.0.1", "127.0.0.9")  # nobody listens there: the next one is asked
    directory = slapd.asked_by_postgresql(away, slapd.ldaps) | {"connectSeconds": 1}
    pools = {"storage": {"enabled": False}, "data": {"shards": 1}, "master": {"postgresql": {"bin": str(programs())}}}
    wanted = {"gateway": {"enabled": True}, "security": {"tls": {"enabled": True}, "directory": directory}, "pools": pools}
    head = {"apiVersion": "openbdc.dev/v1alpha1", "kind": "BigDataCluster", "metadata": {"name": stage.cluster}}
    return yaml.safe_dump({**head, "spec": wanted}).replace("{", "{{").replace("}", "}}")


@pytest.fixture(scope="module")
def stage(slapd: Slapd) -> Iterator[Stage]:
    programs()
    with folder() as place:
        place.create_from(spec(place, slapd))
        place.bdc("auth", "password", "--password-stdin", output=None, secret=READERS_PASSWORD + "\n")
        place.bdc("data", "create", "t", "--column", "a bigint")
        with as_admin(place) as session:
            session.execute("INSERT INTO t SELECT g FROM generate_series(1, 10) g")
        eventually(lambda: psql(place, "ada", PASSWORD).stdout == "ada\n", "somebody who never came before gets in")
        with as_admin(place) as session:
            session.execute("GRANT SELECT ON t TO analysts")
        yield place


def as_admin(stage: Stage) -> Session:
    return psycopg.connect(**address(stage), password=stage.password, autocommit=True)  # type: ignore[arg-type]


def as_somebody(stage: Stage, name: str) -> Session:
    return psycopg.connect(**address(stage) | {"user": name}, password=PASSWORD, autocommit=True)  # type: ignore[arg-type]


def psql(stage: Stage, user: str, password: str, statement: str = "SELECT current_user", **more: str) -> subprocess.CompletedProcess[str]:
    target = " ".join(f"{name}='{value}'" for name, value in (address(stage) | {"user": user} | more).items())
    command = [str(programs() / "psql"), "-XAtw", "-d", target, "-c", statement]
    environment = {**os.environ, "PGPASSWORD": password}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=PATIENCE, check=False)


def test_who_gets_in_and_who_does_not(stage: Stage) -> None:
    eventually(lambda: psql(stage, "eva", PASSWORD).stdout == "eva\n", "a group within the group that may is one too")
    for name in ("ada", "eva", "admin", "ulla", "ghost", "nobody_at_all"):
        refused = psql(stage, name, "wrong-password")
        assert refused.returncode == 2 and "wrong-password" not in refused.stderr, name
    for name, password in (("ada", ""), ("ulla", PASSWORD), ("ghost", PASSWORD), ("reader", READERS_PASSWORD), ("admin", PASSWORD)):
        assert psql(stage, name, password).returncode == 2, name
    for name in (f"ada,{PEOPLE}", "x,ou=people", "ada)(uid=*", "*", "ADA "):  # no role has such a name, so the directory is not asked
        assert psql(stage, name, PASSWORD).returncode == 2, name
    in_clear = psql(stage, "ada", PASSWORD, sslmode="disable", sslrootcert="")
    assert in_clear.returncode == 2 and "no encryption" in in_clear.stderr


def test_the_rights_are_the_groups(stage: Stage, slapd: Slapd) -> None:
    with as_somebody(stage, "ada") as session:
        assert session.execute("SELECT count(*) FROM t").fetchone() == (10,)  # through the compute pool, as ada
        slapd.change(f"cn=analysts,{GROUPS}", member=[f"uid=dora,{PEOPLE}", READER])
        slapd.change(f"cn=team,{GROUPS}", member=[f"uid=ada,{PEOPLE}", f"uid=eva,{PEOPLE}", f"cn=analysts,{GROUPS}"])

        def taken() -> bool:
            return session.execute("SELECT pg_has_role('analysts', 'member')").fetchone() == (False,)

        eventually(taken, "the group's rights go, in the session that is open")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            session.execute("SELECT count(*) FROM t")
    with as_somebody(stage, "dora") as session:
        assert session.execute("SELECT count(*) FROM t").fetchone() == (10,)


def test_a_login_brings_tokens_and_no_other_password(stage: Stage) -> None:
    elsewhere = {**stage.environment, "BDC_PASSWORD": PASSWORD, "BDC_CONFIG": str(stage.folder / "config-eva")}

    def bdc(*arguments: str) -> str:
        command = [sys.executable, "-m", "azdata_like_cli", *arguments]
        return subprocess.run(command, env=elsewhere, capture_output=True, text=True, check=True).stdout

    said = bdc("login", stage.cluster, "-u", "eva")
    assert "user=eva" in said and "passfile" not in said
    assert not (stage.folder / "config-eva" / "pgpass").exists()
    assert "eva" in bdc("sql", "query", "SELECT current_user")
    token = bdc("auth", "token").strip()
    headers: Any = [(b"authorization", f"Bearer {token}".encode()), (b"bdc-database", b"bdc")]
    where = stage.endpoint("gateway-data-pool").replace("https", "grpc+tls")
    with flight.FlightClient(where, tls_root_certs=stage.authority.read_text()) as client:
        begin = flight.Action("begin", json.dumps({"table": "t", "mode": "append"}).encode())
        options = flight.FlightCallOptions(headers=headers, timeout=PATIENCE)
        with pytest.raises(flight.FlightError, match="permission denied"):
            list(client.do_action(begin, options))
        with as_admin(stage) as session:
            session.execute("GRANT INSERT, SELECT ON t TO eva")
        begun = json.loads(next(iter(client.do_action(begin, options))).body.to_pybytes())
        assert begun["load"]


def test_the_compute_pool_says_what_to_do(stage: Stage) -> None:
    host, _, port = stage.endpoint("compute-0").rpartition("//")[2].partition("/")[0].partition(":")
    refused = psql(stage, "eva", PASSWORD, host=host, port=port)
    assert refused.returncode == 2 and "sqlLogin" in refused.stderr


def test_who_may_no_longer_is_cut_off(stage: Stage, slapd: Slapd) -> None:
    names = {how: f"leaver-{how}" for how in ("removed", "expired", "outside")}
    dns = {how: slapd.person(uid, objectClass=["inetOrgPerson", "shadowAccount"]) for how, uid in names.items()}
    members = [f"cn=team,{GROUPS}", f"cn=analysts,{GROUPS}"]
    slapd.change(f"cn=company,{GROUPS}", member=[*members, *dns.values()])
    for uid in names.values():
        eventually(lambda uid=uid: psql(stage, uid, PASSWORD).returncode == 0, "somebody new gets in")  # type: ignore[misc]
    sessions = [as_somebody(stage, uid) for uid in names.values()]
    slapd.remove(dns["removed"])
    slapd.change(dns["expired"], shadowExpire=["100"])
    slapd.change(f"cn=company,{GROUPS}", member=[*members, dns["expired"]])
    for session in sessions:
        eventually(lambda session=session: _ended(session), "the session ends")  # type: ignore[misc]
    for uid in names.values():
        assert psql(stage, uid, PASSWORD).returncode == 2


def _ended(session: Session) -> bool:
    try:
        session.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def test_a_server_that_shows_another_certificate_hears_no_password(stage: Stage, slapd: Slapd) -> None:
    for issued in (Authority("another").server("127.0.0.1"), slapd.authority.server("elsewhere.example.org")):
        with slapd.showing(issued):
            assert psql(stage, "eva", PASSWORD).returncode == 2
    assert psql(stage, "eva", PASSWORD).stdout == "eva\n"


def test_a_blank_password_is_not_taken_to_the_directory(stage: Stage) -> None:
    """libpq does not send one, others do; a directory may take a bind without a password for an anonymous one, which succeeds."""
    where = address(stage)
    with socket.create_connection((where["host"], int(where["port"])), PATIENCE) as plain:
        plain.sendall(struct.pack(">II", 8, 80877103))
        assert plain.recv(1) == b"S"
        with ssl.create_default_context(cafile=where["sslrootcert"]).wrap_socket(plain, server_hostname=where["host"]) as connection:
            start = struct.pack(">I", 196608) + b"user\0eva\0database\0bdc\0\0"
            connection.sendall(struct.pack(">I", len(start) + 4) + start)
            assert connection.recv(9) == b"R" + struct.pack(">II", 8, 3)  # the password, please
            connection.sendall(b"p" + struct.pack(">I", 5) + b"\0")
            answer = connection.recv(1000)
    assert answer.startswith(b"E") and b"empty password" in answer


def test_without_the_directory_local_users_get_in(stage: Stage, slapd: Slapd) -> None:
    slapd.stop()
    try:
        assert psql(stage, "eva", PASSWORD).returncode == 2
        assert psql(stage, "admin", stage.password).stdout == "admin\n"
    finally:
        slapd.start()
    eventually(lambda: psql(stage, "eva", PASSWORD).returncode == 0, "it answers again")


@pytest.mark.full
def test_starttls_after_an_apply(stage: Stage, slapd: Slapd) -> None:
    text = (stage.folder / "bdc.yaml").read_text()
    changed = yaml.safe_load(text.replace("{{", "{").replace("}}", "}"))
    changed["spec"]["security"]["directory"] |= {"servers": [slapd.starttls], "roles": {"user": ["*"]}}
    (stage.folder / "starttls.yaml").write_text(yaml.safe_dump(changed))
    stage.bdc("apply", "-f", str(stage.folder / "starttls.yaml"), "--yes")
    eventually(lambda: psql(stage, "ulla", PASSWORD).stdout == "ulla\n", "everybody who has an account gets in")
    assert psql(stage, "ulla", "wrong-password").returncode == 2


def test_passwords_are_where_they_belong_and_nowhere_else(stage: Stage) -> None:
    """After all of the above, wrong logins included."""
    cluster = stage.folder / "home" / "clusters" / stage.cluster
    holding = {
        str(path.relative_to(cluster))
        for path in cluster.rglob("*")
        if path.is_file() and any(text.encode() in path.read_bytes() for text in (READERS_PASSWORD, PASSWORD))
    }
    assert holding == {"store/directory.json"}
    arguments = b"".join(_arguments(process) for process in stage.processes())
    assert READERS_PASSWORD.encode() not in arguments and PASSWORD.encode() not in arguments


def _arguments(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes() + Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return b""
