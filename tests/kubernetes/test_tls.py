"""A cluster in pods that speaks TLS, with a gateway: everybody verifies everybody, certificates are exchanged while it runs, and one port
of the node leads to the API, to HDFS as oneself, to apps, to the data pool and to Spark."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest
from pyarrow import flight

from controller.certificates.authority import Pair
from controller.certificates.probe import served
from tests.cluster.sources import create_table
from tests.kubernetes.outside import Outside
from tests.services.certificates import Laid, laid
from tests.services.kubernetes import Node
from tests.services.kubernetes.namespaces import NODE_IP
from tests.services.kubernetes.product import MASTER_PORT, SMALL, Json, Product, product

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]
SPEC: Json = {
    **SMALL,
    "security": {"tls": {"enabled": True}},
    "gateway": {"enabled": True},
    "kubernetes": {**SMALL["kubernetes"], "endpoints": {"gateway": {"type": "NodePort"}}},
}
APP = """
name: add
version: v1
runtime: Python
src: ./app.py
entrypoint: handler
replicas: 1
poolsize: 1
inputs: {x: int}
output: {y: int}
"""
CODE = "def handler(x):\n    return {'y': x + 1}\n"
ANN = "ann's pass phrase"
SECRET = "given-tls"
HERE = "127.0.0.1"
WEBHDFS, DATANODE_HTTP = 31570, 31511


@pytest.fixture(scope="module")
def vault(kubernetes_node: Node) -> Iterator[Product]:
    with product(kubernetes_node, "vault") as made:
        made.install()
        made.apply(SPEC)
        made.wait_ready()
        made.login()
        yield made


@pytest.fixture(scope="module")
def authority(vault: Product) -> Path:
    return vault.authority()


@pytest.fixture(scope="module")
def outside(vault: Product, authority: Path) -> Outside:
    """By a port of the node."""
    (port,) = vault.get("service", "gateway-outside")["spec"]["ports"]
    return Outside(f"https://127.0.0.1:{vault.node.reach(NODE_IP, port['nodePort'])}", authority)


@pytest.fixture(scope="module")
def ann(vault: Product, authority: Path) -> str:
    """Somebody who is no admin."""
    vault.bdc("user", "add", "ann", "--password-stdin", secret=f"{ANN}\n", output=None)

    def known() -> bool:
        with suppress(psycopg.OperationalError), vault.sql(user="ann", password=ANN, sslmode="verify-full", sslrootcert=str(authority)):
            return True
        return False

    vault.until(known, "the master knows her")
    return "ann"


def session(vault: Product, authority: Path) -> psycopg.Connection[tuple[object, ...]]:
    return vault.sql(sslmode="verify-full", sslrootcert=str(authority))


def test_a_query_as_an_app_verifies_the_master(vault: Product, tmp_path: Path) -> None:
    vault.bdc("app", "init", "-t", "sql", "-n", "asks", "-d", str(tmp_path / "asks"))
    (tmp_path / "asks" / "query.sql").write_text("SELECT ssl AND %(least)s = 1 AS ok FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    password = "the query's own\n"
    vault.bdc("user", "add", "asks-sql", "--password-stdin", output=None, secret=password)
    vault.bdc("app", "secret", "set", "asks", "PGPASSWORD", "--value-stdin", output=None, secret=password)
    vault.bdc("app", "create", str(tmp_path / "asks"), output=None, seconds=300)
    assert vault.bdc("app", "run", "asks", "-i", "least=1")["outputParameters"] == {"rows": [{"ok": True}]}
    vault.bdc("app", "delete", "asks@v1", "--yes", "--live", output=None)


def certificates(vault: Product) -> dict[str, tuple[object, object]]:
    """Certificate → whether it is what its server shows, and its fingerprint."""
    rows: list[Json] = vault.bdc("cert", "list")
    return {str(row["name"]): (row["served"], row["fingerprint"]) for row in rows if row["name"] != "ca"}


@pytest.fixture(scope="module")
def numbers(vault: Product, authority: Path) -> None:
    """Table ``t`` in the data pool: 1 to 1,000."""
    with session(vault, authority) as master:
        columns = [{"name": "a", "type": "bigint"}]
        master.execute("CALL bdc.create_data_table('t', %s, 'HASH(a)')", [json.dumps(columns)])
        master.execute("INSERT INTO t SELECT g FROM generate_series(1, 1000) g")


@pytest.fixture(scope="module")
def houses(vault: Product, authority: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Table ``houses`` of a file in HDFS: 1 to 1,000 once more."""
    file = tmp_path_factory.mktemp("files") / "houses.csv"
    file.write_text("id\n" + "".join(f"{number}\n" for number in range(1, 1001)))
    vault.bdc("hdfs", "cp", str(file), "hdfs:/houses.csv", output=None)
    with session(vault, authority) as master:
        create_table(master, "public.houses", "hdfs", "/houses.csv")


@pytest.mark.usefixtures("numbers", "houses")
def test_files_of_hdfs_are_read_by_tls_alone(vault: Product, authority: Path, outside: Outside) -> None:
    with session(vault, authority) as master:
        assert master.execute("SELECT location FROM bdc.data_sources WHERE name = 'hdfs'").fetchone() == (
            f"https://nmnode-0.{vault.name}.svc:{WEBHDFS}",
        )
        assert master.execute("SELECT count(*), sum(h.id) FROM houses h JOIN t ON t.a = h.id").fetchone() == (1000, 500500)
    for service, port in (("nmnode-0", WEBHDFS), ("storage-0-0", DATANODE_HTTP)):
        reached = vault.node.reach_service(vault.name, service, port)
        with pytest.raises((OSError, http.client.HTTPException)):
            urllib.request.urlopen(f"http://{HERE}:{reached}/webhdfs/v1/?op=GETFILESTATUS&user.name=admin", timeout=60)
        trust = ssl.create_default_context(cafile=str(authority))
        with urllib.request.urlopen(f"https://{HERE}:{reached}/prom", timeout=60, context=trust) as answer:
            assert answer.status == 200
    bearer = {"Authorization": f"Bearer {outside.token('admin', vault.password)}"}
    asked = urllib.request.Request(f"{outside.url}/api/v1/bdc/metrics", headers=bearer)
    with urllib.request.urlopen(asked, timeout=60, context=trust) as answer:
        told = answer.read().decode()
    for workload in ("nmnode-0", "storage-0-0"):
        assert f'openbdc_up{{pool="storage",workload="{workload}"}} 1' in told


@pytest.mark.usefixtures("numbers")
def test_everybody_speaks_tls_and_verifies(vault: Product, authority: Path) -> None:
    addresses = {str(one["name"]): str(one["endpoint"]) for one in vault.bdc("endpoint", "list")}
    assert addresses["controller"] == f"https://openbdc.{vault.name}.svc:30080"
    assert addresses["data-pool"].startswith("grpc+tls://")
    with session(vault, authority) as master:
        assert master.execute("SELECT sum(a) FROM t").fetchone() == (500500,)
        assert master.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match=r"encrypted connections only|no encryption"):
        vault.sql(sslmode="disable")


def staying(vault: Product) -> set[object]:
    """The cluster's own pods: one of an app that was deleted just now may still be ending."""
    return {pod["metadata"]["uid"] for pod in vault.pods() if pod["metadata"]["labels"].get("openbdc.dev/role") != "app-version"}


@pytest.mark.usefixtures("numbers", "houses")
def test_certificates_are_exchanged_while_it_runs(vault: Product, authority: Path) -> None:
    before, pods = certificates(vault), staying(vault)
    assert set(before) == {"app-proxy", "compute-0", "control", "data-0", "data-1", "gateway", "master-0", "nmnode-0", "storage-0-0"}
    with session(vault, authority) as master:
        vault.bdc("cert", "rotate", output=None)
        # the kubelet lays the new files when it next looks at a pod: within a minute and a half, and at once where the pod changed
        vault.kubectl("annotate", "pods", "--selector", "openbdc.dev/cluster", "tests/looked-at=now")

        def exchanged() -> bool:
            now = certificates(vault)
            return all(now[name][0] and now[name][1] != before[name][1] for name in before)

        vault.until(exchanged, "all servers show their new certificates")
        assert master.execute("SELECT count(*) FROM t").fetchone() == (1000,)
        assert master.execute("SELECT sum(h.id) FROM houses h").fetchone() == (500500,)
    with session(vault, authority) as master:
        assert master.execute("SELECT sum(a) FROM t").fetchone() == (500500,)
    assert staying(vault) == pods
    assert not sum(one["restartCount"] for pod in vault.pods() for one in pod["status"]["containerStatuses"])


def test_one_port_of_the_node_leads_to_api_files_and_apps(vault: Product, outside: Outside, ann: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(APP)
    (tmp_path / "app.py").write_text(CODE)
    vault.bdc("app", "create", "-s", str(tmp_path), seconds=300)
    vault.bdc("hdfs", "mkdir", "hdfs:/everybody", output=None)
    vault.bdc("hdfs", "chmod", "777", "/everybody", output=None)
    try:
        vault.password, admins = ANN, vault.password
        vault.bdc("login", "-e", outside.url, "--ca", str(outside.authority), "-u", ann, "--name", "outside", output=None)
        assert vault.bdc("whoami")["name"] == ann
        spark = vault.bdc("endpoint", "list", "-e", "gateway-spark")
        assert spark["endpoint"] == f"sc://{outside.netloc}/;use_ssl=true", "as it is reached from there"
        house = tmp_path / "house.csv"
        house.write_text("1,2\n")
        vault.bdc("hdfs", "cp", str(house), "hdfs:/everybody/house.csv", output=None)
        (row,) = vault.bdc("hdfs", "ls", "/everybody")
        assert row["owner"] == ann
    finally:
        vault.password = admins
        vault.bdc("context", "set", vault.name, output=None)
        with suppress(RuntimeError):
            vault.bdc("context", "delete", "outside", output=None)
    token = outside.token("admin", vault.password)
    assert outside.ask("/api/app/add/v1/run", token, {"x": 1})["outputParameters"] == {"y": 2}
    with pytest.raises(urllib.error.HTTPError, match="401"):
        outside.ask("/webhdfs/v1/everybody?op=LISTSTATUS")
    written = told_of(vault, "files.write")
    assert (written["user"], written["outcome"], written["bytes"]) == (ann, "allowed", len("1,2\n"))
    assert told_of(vault, "gateway.webhdfs")["outcome"] == "refused"
    assert told_of(vault, "apps.run")["objects"][0].startswith("add@v1")


def told_of(vault: Product, action: str) -> Json:
    """The newest entry of all audit trails for it."""
    entries: list[Json] = []

    def there() -> bool:
        entries[:] = vault.bdc("audit", "query", "--action", action)
        return bool(entries)

    vault.until(there, f"an entry of {action}")
    return entries[0]


def test_loads_and_reads_by_the_same_port(vault: Product, outside: Outside, ann: str) -> None:
    """As who logged in: the compute pool judges the token by the controller's keys, and the rights are the user's at the master."""
    shown = {str(one["name"]): str(one["endpoint"]) for one in vault.bdc("endpoint", "list")}
    assert shown["gateway-data-pool"] == f"grpc+tls://gateway.{vault.name}.svc:30443"
    with session(vault, outside.authority) as master:
        master.execute("CALL bdc.create_data_table('loaded', %s, 'ROUND_ROBIN')", [json.dumps([{"name": "a", "type": "bigint"}])])
    with closing(outside.flight(outside.token("admin", vault.password))) as admin:
        begun = admin.ask("begin", {"table": "public.loaded", "mode": "append"})
        winner = admin.put(begun, {shard: pa.table({"a": pa.array(range(shard, 10_000, 2), pa.int64())}) for shard in (0, 1)}, relay=True)
        admin.ask("commit", {"load": begun["load"], "winners": [winner]})
        read = admin.ask("read", {"table": "public.loaded", "columns": ["a"], "where": "a < 5000"})
        found: list[int] = []
        for part in read["parts"]:
            ticket = json.dumps({"ticket": part["ticket"], "shard": part["shard"]}).encode()
            found += admin.flight.do_get(flight.Ticket(ticket), admin.options).read_all().column(0).to_pylist()
        assert sorted(found) == list(range(5000))
    with session(vault, outside.authority) as master:
        assert master.execute("SELECT count(*), sum(a) FROM loaded").fetchone() == (10_000, 49_995_000)
    with closing(outside.flight(outside.token(ann, ANN))) as other, pytest.raises(flight.FlightError, match="42501"):
        other.ask("read", {"table": "public.loaded"})
    elsewhere = outside.flight(outside.token("admin", vault.password, "app"))
    with closing(elsewhere), pytest.raises(flight.FlightUnauthenticatedError, match="meant for another service"):
        elsewhere.ask("read", {"table": "public.loaded"})


def test_spark_by_the_same_port_is_for_admins(vault: Product, outside: Outside, ann: str) -> None:
    """The first call starts the server's pod."""
    shown = {str(one["name"]): str(one["endpoint"]) for one in vault.bdc("endpoint", "list")}
    assert shown["gateway-spark"] == f"sc://gateway.{vault.name}.svc:30443/;use_ssl=true"
    refused = outside.spark(outside.token(ann, ANN))
    assert refused.returncode and "PERMISSION_DENIED" in refused.stderr, refused.stderr[-3000:]
    assert not vault.pods("openbdc.dev/workload=spark-connect-0")
    done = outside.spark(outside.token("admin", vault.password))
    assert done.returncode == 0 and "rows: 100" in done.stdout, done.stderr[-3000:] + vault.shown()
    vault.bdc("spark", "stop", output=None)


@contextmanager
def given(vault: Product, folder: Path) -> Iterator[Laid]:
    """The cluster with a customer's certificate in a Secret, as cert-manager would lay it; afterwards without."""
    customers = laid(folder)
    lay(vault, customers.issued())
    patch = ("patch", "bigdatacluster", vault.name, "--type=merge", "--patch")
    try:
        vault.kubectl(*patch, json.dumps({"spec": {"kubernetes": {"tlsSecret": SECRET}}}))
        vault.wait_ready()
        yield customers
    finally:
        vault.kubectl(*patch, json.dumps({"spec": {"kubernetes": {"tlsSecret": None}}}))
        vault.wait_ready()
        vault.kubectl("delete", "secret", SECRET)


def lay(vault: Product, pair: Pair) -> None:
    """The Secret, or its next content."""
    content = {"tls.crt": pair.certificate, "tls.key": pair.key}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "type": "kubernetes.io/tls", "stringData": content}
    vault.kubectl("apply", "-f", "-", stdin=json.dumps(secret))


@pytest.mark.full
def test_a_customers_certificate_is_shown_and_its_successor_too_without_a_restart(vault: Product, outside: Outside, tmp_path: Path) -> None:
    with given(vault, tmp_path) as customers:
        host, port = outside.netloc.split(":")
        trusting = Outside(outside.url, Path(customers.root))
        assert trusting.token("admin", vault.password)
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            outside.token("admin", vault.password)
        vault.bdc("login", "-e", outside.url, "--ca", customers.root, "-u", "admin", "--name", "given", output=None)
        vault.bdc("hdfs", "ls", "/", "--context", "given")
        vault.login()
        vault.bdc("hdfs", "ls", "/")  # by a port-forward, where no name of the certificate says anything
        (pod,) = vault.pods("openbdc.dev/workload=gateway")
        sql = vault.node.reach_service(vault.name, "master-0", MASTER_PORT)
        before = served(host, int(port)) or ""
        assert served(HERE, sql, postgresql=True) == before, "the master shows it too"
        lay(vault, customers.issued())
        vault.kubectl("annotate", "--overwrite", "pods", "--selector", "openbdc.dev/cluster", "tests/looked-at=given")
        vault.until(lambda: served(host, int(port)) not in (None, before), "the gateway shows the new certificate")
        vault.until(lambda: served(HERE, sql, postgresql=True) not in (None, before), "the master too")
        (same,) = vault.pods("openbdc.dev/workload=gateway")
        assert same["metadata"]["uid"] == pod["metadata"]["uid"] and not same["status"]["containerStatuses"][0]["restartCount"]
