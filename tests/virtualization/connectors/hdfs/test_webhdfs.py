"""The connector over WebHDFS with TLS, on a real HDFS that has nothing else: answers are the same, and nobody else is believed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import duckdb
import pytest

from controller.certificates.authority import Pair, certificate_of, fingerprint
from controller.certificates.probe import served
from pools.compute.operations.files import Files
from pools.compute.workloads import FILES_AUTHORITY
from tests.patience import PATIENCE, eventually
from tests.services.certificates import HOSTS, laid
from tests.services.hdfs import HdfsServer
from tests.services.postgresql import free_port
from tests.virtualization.connectors import test_hdfs
from tests.virtualization.connectors.conformance import failed, ids, table
from tests.virtualization.connectors.served_lake import ID, filled, rows
from virtualization.catalog import DataSource
from virtualization.connectors.hdfs import HdfsConnector
from virtualization.connectors.hdfs.client import Client
from virtualization.connectors.hdfs.options import settings
from virtualization.connectors.hdfs.web_connections import AUTHORITY, UntrustedError
from virtualization.connectors.hdfs.webhdfs import Asked, WebHdfs
from virtualization.errors import DefinitionError, RemoteObjectError, SourceCredentialError, SourceUnreachableError
from virtualization.plan import Connector

pytestmark = pytest.mark.service
BIG = os.urandom(6 << 20)


@pytest.fixture(scope="module")
def lake(hdfs_tls: HdfsServer) -> Iterator[HdfsServer]:
    assert hdfs_tls.certificates is not None
    with pytest.MonkeyPatch.context() as patch, filled(hdfs_tls) as made:
        patch.setenv(AUTHORITY, hdfs_tls.certificates.root)
        made.write("/big", BIG)
        yield made


def source(server: HdfsServer, **options: str) -> DataSource:
    return DataSource("src", "hdfs", server.web, {"user": "nobody", **options})


@pytest.fixture(scope="module")
def connector(lake: HdfsServer) -> Iterator[HdfsConnector]:
    made = HdfsConnector(source(lake))
    yield made
    made.close()


@pytest.fixture
def broken() -> list[Connector]:
    return [HdfsConnector(DataSource("src", "hdfs", f"https://127.0.0.1:{free_port()}"))]


class TestParquetOverTls(test_hdfs.TestParquetConformance):
    """The same tables, over this module's ``connector``."""


def ports(server: HdfsServer) -> list[int]:
    return [server.http, *server.datanode_http.values()]


@contextmanager
def showing(server: HdfsServer, pair: Pair) -> Iterator[None]:
    """HDFS shows another certificate for a while; Hadoop notices by itself."""
    assert server.certificates is not None
    before = server.certificates.pair
    lay(server, pair)
    try:
        yield
    finally:
        lay(server, before)


def lay(server: HdfsServer, pair: Pair) -> None:
    assert server.certificates is not None
    server.certificates.lay(pair)
    time.sleep(0.01)  # Hadoop compares times of files, to the millisecond
    server.lay_keystore()
    wanted = fingerprint(certificate_of(pair.certificate))
    eventually(lambda: all(served("127.0.0.1", port) == wanted for port in ports(server)), "NameNode and DataNodes show it")


def test_the_name_of_the_variable_is_the_pools() -> None:
    assert FILES_AUTHORITY == AUTHORITY


@pytest.mark.parametrize("location", ["https://namenode", "http://namenode:9870", "https://namenode:9871/x", "https://a:b@namenode:1"])
def test_locations_that_are_none(location: str) -> None:
    with pytest.raises(DefinitionError, match="location must be hdfs://host:port, or https://host:port"):
        HdfsConnector(DataSource("src", "hdfs", location))


def test_nobody_speaks_in_clear(lake: HdfsServer) -> None:
    import http.client

    for port in ports(lake):
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        with pytest.raises((http.client.HTTPException, OSError)):
            asked.request("GET", "/webhdfs/v1/?op=GETFILESTATUS&user.name=nobody")
            asked.getresponse()
        asked.close()


def said(lake: HdfsServer) -> str:
    """Why a new client does not believe it: one sentence."""
    made = HdfsConnector(source(lake))
    try:
        error = failed(made.test)
        assert isinstance(error, SourceUnreachableError) and error.hint and "\n" not in error.message
        return error.message
    finally:
        made.close()


def test_who_is_not_believed(lake: HdfsServer, tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert lake.certificates is not None
    where = f'data source "src": 127.0.0.1:{lake.http} shows a certificate that is not trusted: '
    with showing(lake, lake.certificates.issued(("elsewhere.example",))):
        assert said(lake).startswith(f"{where}IP address mismatch")
    with showing(lake, lake.certificates.issued(HOSTS, begun_days_ago=5, days=2)):
        assert said(lake) == f"{where}certificate has expired"
    other = laid(tmp_path / "other")  # type: ignore[operator]
    monkeypatch.setenv(AUTHORITY, other.root)
    assert said(lake).startswith(f"{where}unable to get local issuer certificate")
    monkeypatch.setenv(AUTHORITY, str(tmp_path / "gone"))  # type: ignore[operator]
    assert "can't be read: No such file or directory" in said(lake)
    monkeypatch.delenv(AUTHORITY)
    assert said(lake).startswith(where), "the machine's authorities have not signed it"


def test_a_server_without_tls_is_told(hdfs: HdfsServer) -> None:
    made = HdfsConnector(DataSource("src", "hdfs", f"https://127.0.0.1:{hdfs.http}"))
    assert f"127.0.0.1:{hdfs.http} does not speak TLS as it should" in failed(made.test).message
    made.close()


class SendsElsewhere:
    """Stands in for a NameNode that sends to a DataNode without TLS."""

    def ask(self, server: str, method: str, target: str, most: int) -> tuple[int, bytes]:
        return 200, b'{"Location": "http://127.0.0.1:1/webhdfs/v1/x?op=OPEN"}'


def test_a_datanode_without_tls_is_not_asked() -> None:
    files = WebHdfs("namenode", 9871, "nobody", 1.0)
    files.connections = SendsElsewhere()  # type: ignore[assignment]
    with pytest.raises(UntrustedError, match=r"namenode:9871 sends to a DataNode without TLS \(http\)"):
        files.location(Asked("GET", "/x", "OPEN", {}))


def test_a_certificate_is_replaced_while_files_are_read(lake: HdfsServer) -> None:
    assert lake.certificates is not None
    client = Client(replace(settings(source(lake)), cache_bytes=0))
    (file,) = client.files("/big")
    over, read, wrong = threading.Event(), [0], []

    def reading() -> None:
        while not over.is_set():
            start = read[0] % 5 << 20
            if client.open(file).read_range(start, 1 << 20) != BIG[start : start + (1 << 20)]:
                wrong.append(start)
            read[0] += 1

    thread = threading.Thread(target=reading)
    thread.start()
    try:
        eventually(lambda: read[0] > 3, "files are read")
        lay(lake, lake.certificates.issued())
        after = read[0]
        eventually(lambda: read[0] > after + 3 or not thread.is_alive(), "they are read on")
        assert thread.is_alive(), "nothing failed"
    finally:
        over.set()
        thread.join(PATIENCE)
    assert not wrong


def test_users_and_their_rights(lake: HdfsServer) -> None:
    lake.write("/private/x.csv", "id\n1\n")
    with lake.superuser() as client:
        client.set_permission("/private", 0o700)
    eve, owner = HdfsConnector(source(lake, user="eve")), HdfsConnector(source(lake))
    with pytest.raises(SourceCredentialError, match='"eve" may not read /private'):
        rows(eve, table("/private/x.csv", [ID]))
    assert rows(owner, table("/private/x.csv", [ID])) == [(1,)]
    other = WebHdfs("127.0.0.1", lake.http, "eve", PATIENCE)
    with pytest.raises(PermissionError, match="AccessControlException: Permission denied: user=eve"):
        other.location(Asked("GET", "/private/x.csv", "OPEN", {}))
    assert any("ugi=nobody" in line for line in lake.audited("/private/x.csv"))


def test_a_file_replaced_during_the_query(connector: HdfsConnector, lake: HdfsServer) -> None:
    lake.write("/change/a.csv", "id\n1\n")
    fragment = connector.scan(table("/change/a.csv", [ID]), ["id"], []).fragment
    with duckdb.connect() as connection:
        fragment.prepare_duckdb(connection)
        inline = fragment.duckdb_sql()
        lake.write("/change/a.csv", "id\n2\n")  # another file of the same size
        with pytest.raises(duckdb.Error) as caught:
            connection.sql(f"SELECT * FROM ({inline})").fetchall()
    meant = fragment.fault(caught.value)  # type: ignore[attr-defined]
    assert isinstance(meant, RemoteObjectError) and "/change/a.csv was replaced during the query" in meant.message
    assert ids(fragment) == [2]


def test_a_reader_notices_that_its_file_is_another_one(lake: HdfsServer) -> None:
    client = Client(settings(source(lake)))
    for after, says in ((b"bbbb", "was replaced"), (b"b", "was replaced"), (None, "does not exist")):
        lake.write("/seen", b"aaaa")
        (file,) = client.files("/seen")
        reader = client.open(file)
        assert reader.read_range(1, 2) == b"aa"
        if after is None:
            client.call(lambda native: native.delete("/seen", False), "/seen")
        else:
            lake.write("/seen", after)
        with pytest.raises(OSError) as caught:
            reader.read_range(0, 4)
        assert says in client.fault(caught.value, "/seen").message


def test_names_with_signs_of_their_own(connector: HdfsConnector, lake: HdfsServer) -> None:
    for name in ("with space", "plus+", "100%25", "semi;colon", "ümlaut", "q?x&y=z", "#hash"):
        lake.write(f"/names/{name}/a.csv", "id\n1\n")
        assert rows(connector, table(f"/names/{name}/a.csv", [ID])) == [(1,)], name
    assert len(rows(connector, table("/names", [ID], format="csv"))) == 7


def test_files_over_several_blocks(lake: HdfsServer) -> None:
    import hdfs_native

    content = os.urandom(3 << 20)
    with lake.superuser() as files, files.create("/blocks", hdfs_native.WriteOptions(block_size=1 << 20, overwrite=True)) as writer:
        writer.write(content)
    client = Client(settings(source(lake)))
    (file,) = client.files("/blocks")
    reader = client.open(file)
    assert reader.read_range(0, len(content)) == content
    assert reader.read_range((1 << 20) - 3, 6) == content[(1 << 20) - 3 : (1 << 20) + 3]


def test_what_a_backup_writes(lake: HdfsServer) -> None:
    files = Files(source(lake), "nobody")
    files.make_folder("/backup/deep")
    files.write_json("/backup/deep/.new", {"a": "ü" * 3_000_000})
    files.rename("/backup/deep/.new", "/backup/deep/done")
    assert files.read_json("/backup/deep/done") == {"a": "ü" * 3_000_000}
    assert files.exists("/backup/deep/done") and not files.exists("/backup/deep/.new")
    files.remove("/backup")
    files.remove("/backup")
    assert not files.exists("/backup/deep/done")


def test_a_datanode_that_died_is_passed_by(lake: HdfsServer) -> None:
    lake.write("/twice", BIG, replication=2)
    client = Client(replace(settings(source(lake)), cache_bytes=0))
    (file,) = client.files("/twice")
    lake.datanodes[0].kill()
    lake.datanodes[0].wait()
    try:
        assert client.open(file).read_range(0, len(BIG)) == BIG
    finally:
        lake.restart_datanode(0)
