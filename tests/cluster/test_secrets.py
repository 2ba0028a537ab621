"""Planted passwords are looked for in everything that a run with failures wrote, and in what processes show of themselves."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
import yaml
from pyarrow import flight

from tests.apps.folders import python
from tests.cluster.sources import create_source, create_table, master_connection, pool_connection
from tests.services.cluster import Stage
from tests.services.flight_loads import LoadClient
from tests.services.postgresql import PostgresqlServer

EXCLUDED = {
    "home/clusters/*/secrets/*": "the cluster's secret store itself, mode 0700",
    "home/clusters/*/workloads/*/secrets/*": "secrets as the substrate lays them, mode 0400, of the one pool that needs them",
    "home/clusters/*/store/directory.json": "the search account's password, which the controller needs: mode 0600 in a folder of mode 0700",
    "home/clusters/*/workloads/app-proxy/data/secrets/*": "secrets of apps: the proxy's alone, mode 0600",
    "config/contexts.json": "the tokens of a login, where its user keeps them: mode 0600",
}
"""Where a secret may lie: nowhere else, and of the planted ones not even there (they are sealed or hashed)."""


@dataclass
class Samples:
    """What processes show while the run goes on: command lines and environments of all that belongs to the cluster or its commands."""

    stage: Stage
    seen: set[bytes] = field(default_factory=set)
    stop: threading.Event = field(default_factory=threading.Event)

    def take(self) -> None:
        marker = str(self.stage.folder).encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or entry.name == str(os.getpid()):
                continue
            with contextlib.suppress(OSError):
                environment, line = (entry / "environ").read_bytes(), (entry / "cmdline").read_bytes()
                if marker in environment or marker in line:
                    # commands get the admin's password in BDC_PASSWORD, as documented: in that variable of the command only
                    kept = [part for part in environment.split(b"\0") if not (b"azdata_like_cli" in line and part.startswith(b"BDC_"))]
                    self.seen.update((line, b"\0".join(kept)))

    def run(self) -> None:
        while not self.stop.wait(0.25):  # a command takes longer
            self.take()


@pytest.fixture
def samples(cluster: Stage) -> Iterator[Samples]:
    found = Samples(cluster)
    thread = threading.Thread(target=found.run)
    thread.start()
    yield found
    found.stop.set()
    thread.join(60)


def forms(secret: str) -> set[bytes]:
    """As it is, base64 at each of the three alignments (both alphabets), URL-encoded, hexadecimal."""
    raw = secret.encode()
    found = {raw, urllib.parse.quote(secret, safe="").encode(), raw.hex().encode()}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        middle = encoded[(shift * 8 + 5) // 6 : -1]  # characters that depend on the secret alone
        found |= {middle, middle.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def test_forms_find_what_they_should() -> None:
    secret = "Planted/pass?word+1"
    for text in (b"x" + secret.encode(), base64.b64encode(b"user:" + secret.encode()), base64.urlsafe_b64encode(b"ab" + secret.encode())):
        assert any(form in text for form in forms(secret))


def leaks(planted: dict[str, str], folders: Sequence[Path], stage: Stage) -> list[str]:
    """Each as "what: where". grep looks for all forms at once: there are hundreds of megabytes."""
    wanted = [(name, form) for name, secret in planted.items() for form in forms(secret)]
    given = b"\n".join(form for _, form in wanted)
    # -s: nothing of what vanishes meanwhile; exit code 1: nothing found
    grep = ["grep", "-rlaFsZ", "--devices=skip", "-f", "-", "--", *map(str, folders)]
    done = subprocess.run(grep, input=given, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
    assert done.returncode in (0, 1, 2) and not done.stderr, done.stderr
    found: list[str] = []
    for path in map(Path, map(os.fsdecode, filter(None, done.stdout.split(b"\0")))):
        inside = path.relative_to(stage.folder) if path.is_relative_to(stage.folder) else path
        if not any(inside.match(pattern) for pattern in EXCLUDED):
            with contextlib.suppress(FileNotFoundError):
                content = path.read_bytes()
                found += [f"{name}: {path}" for name, form in wanted if form in content]
    return found


def test_leaks_are_found(cluster: Stage, tmp_path: Path) -> None:
    secret = "Planted/pass?word+1"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a file").write_bytes(b"\0\xff\n" * 10_000 + base64.b64encode(b"u:" + secret.encode()) + b"\0")
    (tmp_path / "clean").write_bytes(b"Planted/pass")
    assert leaks({"it": secret}, [tmp_path], cluster) == [f"it: {tmp_path}/deep/a file"]


def command(stage: Stage, *arguments: str, given: str | None = None) -> str:
    """A command that may fail; all that it said."""
    done = subprocess.run(
        [sys.executable, "-m", "azdata_like_cli", *arguments],
        env=stage.environment, capture_output=True, text=True, check=False, input=given,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_planted_secrets_are_found_nowhere(cluster: Stage, postgresql: PostgresqlServer, samples: Samples, tmp_path: Path) -> None:
    planted = {
        name: f"Planted-{name}/{secrets.token_urlsafe(9)}+?"
        for name in ("user", "changed", "wrong_user", "source", "wrong_source", "typed", "search", "searched", "app")
    }
    everything = planted | {"admin": cluster.password, "superuser of the source": postgresql.password} | _keys(cluster)
    said_of_directory = _directory(cluster, planted, tmp_path)
    with postgresql.connect() as server:
        server.execute("CREATE TABLE planted AS SELECT 1 AS id")
        server.execute(psycopg.sql.SQL("CREATE ROLE planted LOGIN PASSWORD {}").format(psycopg.sql.Literal(scram(planted["source"]))))
        server.execute("GRANT SELECT ON planted TO planted")
    said = [_users(cluster, planted), _sources(cluster, postgresql, planted), _sql(cluster, postgresql, planted), _loads(cluster, planted)]
    said += [said_of_directory, _app(cluster, planted["app"], tmp_path), *_tokens(cluster, everything)]
    samples.take()
    said.append(command(cluster, "app", "delete", "planted@v1", "--yes", "--live"))
    (tmp_path / "logs").mkdir()
    said.append(command(cluster, "debug", "copy-logs", "--skip-compress", "-d", str(tmp_path / "logs")))
    samples.take()
    text = "\n".join(said).encode()
    for name, secret in everything.items():
        for form in forms(secret):
            assert form not in text, f"{name}: said"
            # who types a password into a command line shows it there himself
            assert name == "typed" or not any(form in shown for shown in samples.seen), f"{name}: shown by a process"
    assert leaks(planted, [postgresql.folder / "server.log"], cluster) == []
    ours = [cluster.folder, *(path for path in Path("/tmp").glob("*bdc*") if path.is_dir() and path != postgresql.folder)]
    (collected,) = (tmp_path / "logs").iterdir()
    assert b"app-proxy" in collected.read_bytes(), "a plain tar of all logs"
    assert leaks(everything, [*ours, collected], cluster) == []


def test_where_secrets_may_lie_nobody_else_reads(cluster: Stage) -> None:
    for pattern in EXCLUDED:
        for path in cluster.folder.glob(pattern):
            assert path.stat().st_mode & 0o077 == 0, path


def _keys(cluster: Stage) -> dict[str, str]:
    """The cluster's own secrets, which only its secret store and the workloads' folders may hold."""
    store = cluster.folder / "home" / "clusters" / cluster.cluster / "secrets"
    found = {path.name: path.read_text(errors="replace").split()[0] for path in store.iterdir() if path.name != "ticket.pub"}
    assert {"ticket.key", "pool-password", "spark-token"} <= found.keys() and all(len(secret) >= 16 for secret in found.values())
    return found


def _loads(cluster: Stage, planted: dict[str, str]) -> str:
    """Flight with a wrong and the right password, a load that is refused and one that is not."""
    address, said = cluster.endpoint("data-pool"), ""
    try:
        LoadClient(address, "admin", planted["wrong_user"])
    except flight.FlightError as error:
        said += str(error)
    loads = LoadClient(address, "admin", cluster.password)
    said += command(cluster, "data", "create", "planted_pool", "--column", "id bigint not null")
    for rows in ({"id": [1, 2]}, {"id": [None]}, {"other": [1]}):
        try:
            said += str(loads.load("public.planted_pool", [pa.table(rows)]))
        except (flight.FlightError, pa.ArrowException, OSError) as error:
            said += str(error)
    loads.close()
    said += command(cluster, "data", "export", "planted_pool", "hdfs:/tmp/planted.csv", "--force")
    return said + command(cluster, "data", "loads") + command(cluster, "data", "drop", "planted_pool", "--yes")


def _app(cluster: Stage, secret: str, folder: Path) -> str:
    """A secret of an app whose workers have it, under a name under which they must not, and refused."""
    code = "import os\nassert os.environ['PLANTED']\ndef run(size):\n    return len(os.environ['PLANTED']) / size\n"
    app = python(folder / "planted", code, "{size: int}", "{result: float}", "secrets: [PLANTED]\noptions: {prediction_log: true}")
    (app / "spec.yaml").write_text((app / "spec.yaml").read_text().replace("name: t\n", "name: planted\n"))
    said = ""
    for name in ("PLANTED", "PLANTED", "planted"):
        said += command(cluster, "--debug", "app", "secret", "set", "planted", name, "--value-stdin", given=secret + "\n")
        said += command(cluster, "--debug", "app", "create", str(app))
    for size in (1, 0):
        said += command(cluster, "--debug", "app", "run", "planted@v1", "--inputs", f"size={size}")
    assert f"result = {len(secret)}.0" in said and "ZeroDivisionError" in said, said
    for words in (
        ("describe", "planted@v1"),
        ("logs", "planted@v1"),
        ("logs", "planted@v1", "--predictions"),
        ("secret", "list", "planted"),
    ):
        said += command(cluster, "app", *words, "-o", "json")
    return said


def _directory(cluster: Stage, planted: dict[str, str], folder: Path) -> str:
    """A search account's password, and one that a login with a directory account sends: of a directory that does not answer."""
    spec_file = cluster.folder / "home" / "clusters" / cluster.cluster / "bdc.yaml"
    before = spec_file.read_text()
    spec = yaml.safe_load(before)
    spec["spec"].setdefault("security", {})["directory"] = {
        "servers": ["ldaps://127.0.0.1:1"], "searchUser": "cn=search,dc=planted", "users": {"base": ["dc=planted"]},
        "roles": {"user": ["*"]},
    }  # fmt: skip
    for name, text in (("with.yaml", yaml.safe_dump(spec)), ("before.yaml", before)):
        (folder / name).write_text(text)
    said = command(cluster, "--debug", "auth", "password", "--password-stdin", given=planted["search"] + "\n")
    said += command(cluster, "apply", "-f", str(folder / "with.yaml"), "--yes")
    said += command(cluster, "--debug", "auth", "test", "planted.account")
    said += command(
        _as(cluster, planted["searched"]), "--debug", "login", cluster.cluster, "--username", "planted.account", "--name", "other"
    )
    said += command(cluster, "login", cluster.cluster)
    assert "directory" in said, said
    return said + command(cluster, "apply", "-f", str(folder / "before.yaml"), "--yes")


def _tokens(cluster: Stage, found: dict[str, str]) -> list[str]:
    """Of logins at the API and over Flight, renewed, used, refused and ended; the tokens go to ``found``. What the commands said."""
    controller, said = cluster.endpoint("controller"), []

    def post(path: str, body: dict[str, str]) -> dict[str, str]:
        request = urllib.request.Request(controller + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request) as answer:
            told: dict[str, str] = json.loads(answer.read())
            return told
        return {}

    first = post("/api/v1/token", {"username": "admin", "password": cluster.password})
    second = post("/api/v1/token/refresh", {"refresh_token": first["refresh_token"]})
    for name, pair in (("first", first), ("second", second)):
        found |= {
            f"{name} access token": pair["access_token"].rpartition(".")[2],
            f"{name} refresh token": pair["refresh_token"].rpartition(".")[2],
        }
    for token in (second["access_token"], second["access_token"][:-4] + "AAAA"):
        request = urllib.request.Request(controller + "/api/v1/users", headers={"Authorization": f"Bearer {token}"})
        with contextlib.suppress(urllib.error.HTTPError), urllib.request.urlopen(request) as answer:
            said.append(answer.read().decode())
    assert post("/api/v1/token/refresh", {"refresh_token": first["refresh_token"]}) == {}  # a copy: the login ends
    saved = json.loads((cluster.folder / "config" / "contexts.json").read_text())["contexts"][cluster.cluster]
    found |= {"saved access token": saved["token"].rpartition(".")[2], "saved refresh token": saved["refresh"].rpartition(".")[2]}
    said.append(command(cluster, "data", "create", "planted_tickets", "--column", "id bigint not null"))
    loads = LoadClient(cluster.endpoint("data-pool"), "admin", cluster.password)
    load = loads.ask("begin", table="public.planted_tickets", mode="append", client="test")
    tickets = [shard["ticket"] for shard in load["shards"]]
    found |= {f"ticket {number}": ticket.rpartition(".")[2] for number, ticket in enumerate(tickets)}
    with contextlib.suppress(flight.FlightError, pa.ArrowException, OSError):
        loads.put({**load["shards"][0], "ticket": tickets[0][:-4] + "AAAA"}, pa.table({"id": [1]}), 0)
    loads.ask("commit", load=load["load"], winners=loads.put_all(load, [pa.table({"id": [1]})]))
    (_, bearer), *_ = loads.headers
    found["Flight token"] = bearer.decode().rpartition(".")[2]
    loads.close()
    said += [command(cluster, "data", "drop", "planted_tickets", "--yes"), command(cluster, "key", "rotate", "tickets")]
    return [*said, command(cluster, "audit", "query", "--limit", "1000", "-o", "json")]


def scram(password: str) -> str:
    """PostgreSQL's verifier: so that the password itself never reaches the server's log."""
    from pools.master.scram import scram_verifier

    return scram_verifier(password)


def _users(cluster: Stage, planted: dict[str, str]) -> str:
    said = command(cluster, "user", "add", "planted", "--password-stdin", given=planted["user"] + "\n")
    for stage in (_as(cluster, planted["user"]), _as(cluster, planted["wrong_user"])):
        said += command(stage, "--debug", "login", cluster.cluster, "--username", "planted", "--name", "planted")
        said += command(stage, "sql", "query", "SELECT 1", "-U", "planted")
    said += command(cluster, "user", "passwd", "planted", "--password-stdin", given=planted["changed"] + "\n")
    for password in (planted["wrong_user"], planted["changed"]):
        with contextlib.suppress(psycopg.OperationalError):
            pool_connection(cluster, "planted", password).close()
    said += command(cluster, "login", cluster.cluster)
    return said + command(cluster, "user", "remove", "planted", "--yes")


def _as(cluster: Stage, password: str) -> Stage:
    return Stage(cluster.folder, password, cluster.cluster)


def _sources(cluster: Stage, postgresql: PostgresqlServer, planted: dict[str, str]) -> str:
    location = f"postgresql://127.0.0.1:{postgresql.port}/postgres"
    said = ""
    for name in ("source", "wrong_source"):
        arguments = ["--location", location, "--user", "planted", "--password-stdin"]
        said += command(cluster, "--debug", "source", "create", f"planted_{name}", *arguments, given=planted[name] + "\n")
        said += command(cluster, "--debug", "source", "test", f"planted_{name}")
        said += command(cluster, "source", "describe", f"planted_{name}", "-o", "yaml")
        said += command(cluster, "table", "create", f"planted_{name}", "--source", f"planted_{name}", "--location", "public.planted")
    typed = urllib.parse.quote(planted["typed"], safe="")
    refused = command(
        cluster, "source", "create", "typed", "--location", f"postgresql://planted:{typed}@127.0.0.1:{postgresql.port}/postgres"
    )
    assert typed not in refused  # what was typed on a command line is not said again
    return said


def _sql(cluster: Stage, postgresql: PostgresqlServer, planted: dict[str, str]) -> str:
    said = ""
    with master_connection(cluster) as master:
        master.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
        notices: list[str] = []
        location = f"postgresql://127.0.0.1:{postgresql.port}/postgres"
        create_source(master, "planted_sql", location, user="planted", password=planted["wrong_source"])
        create_table(master, "public.planted_sql", "planted_sql", "public.planted", {"id": "integer"})
        statements = (
            "SELECT * FROM planted_sql", "SELECT * FROM planted_source", "SELECT id / (id - 1) FROM planted_source", "SELECT nothing FROM",
            "SELECT * FROM bdc.data_sources", "SELECT * FROM bdc.test_source('planted_sql')",
            "SELECT bdc.explain('SELECT * FROM planted_source')",
            "EXPLAIN (VERBOSE) SELECT * FROM planted_source", "SELECT * FROM pg_user_mappings WHERE usename <> current_user",
        )  # fmt: skip
        for statement in statements:
            try:
                said += str(master.execute(statement.encode()).fetchall())
            except psycopg.Error as error:
                said += str(error)
        for name in ("planted_source", "planted_wrong_source", "planted_sql"):
            master.execute("CALL bdc.drop_data_source(%s, true)", [name])
        return said + "".join(notices)
