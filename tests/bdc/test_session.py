"""The SDK's session: login, controller, SQL with Python values and Arrow."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow
import pytest

import bdc
from bdc import contexts
from bdc.contexts import Place
from bdc.errors import AuthenticationError, BdcError, InvalidNameError, NotFoundError, SqlError, UserError
from bdc.result import run
from bdc.session import ControllerAddress, by_gateway, login, master_address
from bdc.sql import Address, connect, stream_text
from bdc.webhdfs import WebHdfs
from tests.azdata_like_cli import standin_controller as standin
from tests.services.postgresql import PostgresqlServer


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[standin.StandinController]:
    monkeypatch.setenv("BDC_CONFIG", str(tmp_path))
    with standin.standin_controller() as found:
        yield found


def test_connect_by_login_saves_nothing(controller: standin.StandinController, tmp_path: Path) -> None:
    with bdc.connect(controller=controller.url, username="admin", password=standin.PASSWORD) as session:
        assert session.controller.whoami()["name"] == "admin"
        assert session.context.cluster == "demo"
    assert list(tmp_path.iterdir()) == []


def test_connect_without_a_context(controller: standin.StandinController) -> None:
    with pytest.raises(AuthenticationError):
        bdc.connect()
    with pytest.raises(AuthenticationError):
        bdc.connect(controller=controller.url)
    with pytest.raises(AuthenticationError, match="wrong"):
        bdc.connect(controller=controller.url, username="admin", password="nope")


def test_a_session_that_outlives_its_login_goes_on_with_the_next_one(controller: standin.StandinController) -> None:
    def log_in(name: str, expires: float) -> None:
        made = login("demo", controller.url, name, standin.PASSWORD, keep_sql=False)
        with contexts.editing() as box:
            box[0] = box[0].with_session(dataclasses.replace(made, expires=expires))

    log_in("admin", 1.0)
    with bdc.connect() as session:
        with pytest.raises(AuthenticationError, match="has expired"):
            session.controller.whoami()
        log_in("alice", time.time() + 3600)  # somebody else's is not taken
        with pytest.raises(AuthenticationError, match="the session of 'admin' at 'demo' has expired"):
            session.apps.list()
        log_in("admin", time.time() + 3600)
        assert session.controller.whoami()["name"] == "admin"
        assert session.access_token() == controller.token


def test_what_is_no_parameter_no_content_and_no_path(controller: standin.StandinController, postgresql: PostgresqlServer) -> None:
    with psycopg.connect(postgresql.dsn()) as connection:
        for wrong in (5, "abc", b"abc"):
            with pytest.raises(UserError, match=r"parameters are a list or a dict, not (int|str|bytes)"):
                run(connection, "SELECT %s", wrong)  # type: ignore[arg-type]
        assert run(connection, "SELECT %s", [5]).one() == (5,)
    files = WebHdfs("http://127.0.0.1:1/webhdfs/v1", "ann")
    with pytest.raises(UserError, match="a file's content is bytes, not str"):
        files.write("/tmp/x", "text")  # type: ignore[arg-type]
    with pytest.raises(InvalidNameError, match="'tmp/x' is not an absolute path"):
        files.write("tmp/x", b"text")


@pytest.mark.service
def test_sql(controller: standin.StandinController, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standin, "PASSWORD", postgresql.password)
    controller.endpoints["sql-server-master"] = f"postgresql://127.0.0.1:{postgresql.port}/postgres"
    with bdc.connect(controller=controller.url, username=postgresql.user, password=postgresql.password) as session:
        assert session.sql("SELECT %s::numeric AS n, NULL AS x", [Decimal("1.10")]).one() == (Decimal("1.10"), None)
        table = session.sql("SELECT i, i::text AS t FROM generate_series(1, 3) i").arrow()
        assert table.schema == pyarrow.schema([("i", pyarrow.int32()), ("t", pyarrow.string())])
        assert table.to_pylist()[2] == {"i": 3, "t": "3"}
        assert list(session.sql("CREATE TEMP TABLE t AS SELECT 1 AS a")) == []
        assert session.sql("SELECT a AS a, a AS b FROM t").arrow().num_rows == 1
        with pytest.raises(UserError):
            session.sql("SELECT 1 WHERE false").one()
        with pytest.raises(SqlError) as caught:
            session.sql("SELECT nope")
        assert caught.value.code == "42703"
        with pytest.raises(NotFoundError):
            _ = session.files


@pytest.mark.service
@pytest.mark.parametrize(
    ("state", "category"),
    [("HV00R", "user"), ("HV00Q", "user"), ("HV005", "user"), ("HV000", "service"), ("HV00N", "service"), ("08001", "service"),
     ("57014", "user"), ("57P01", "service"), ("42P01", "user"), ("XX000", "internal"), ("28000", "authentication")],
)  # fmt: skip
def test_an_errors_category_follows_its_sqlstate(postgresql: PostgresqlServer, state: str, category: str) -> None:
    """A table, schema or file that is not there at a source is the user's matter; a source that fails is a service's."""
    raising = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}', MESSAGE = 'm'; END $$"
    address = Address("127.0.0.1", postgresql.port, postgresql.user, password=postgresql.password)
    with connect(address) as connection, pytest.raises(BdcError) as caught:
        list(stream_text(connection, raising))
    assert (caught.value.category, caught.value.code, caught.value.why) == (category, state, None)


@pytest.mark.parametrize("address", ["postgresql://127.0.0.1:31433/bdc", "127.0.0.1:31433", "127.0.0.1,31433"])
def test_master_addresses(address: str) -> None:
    assert master_address({"sql-server-master": address}) == ("127.0.0.1", 31433)


def test_no_master() -> None:
    with pytest.raises(NotFoundError):
        master_address({"sql-server-master": "nonsense"})


def test_what_lies_behind_a_gateway_is_at_the_address_that_was_reached() -> None:
    told = {
        "gateway": "https://gateway.sales.svc:30443",
        "webhdfs": "https://gateway.sales.svc:30443/webhdfs/v1",
        "gateway-spark": "sc://gateway.sales.svc:30443/;use_ssl=true",
        "sql": "master-0.sales.svc",
    }
    outside = ControllerAddress("https://bdc.example.com:31000/")
    assert by_gateway(outside, told) == {
        **told, "gateway": "https://bdc.example.com:31000", "webhdfs": "https://bdc.example.com:31000/webhdfs/v1",
        "gateway-spark": "sc://bdc.example.com:31000/;use_ssl=true",
    }  # fmt: skip
    balanced = by_gateway(ControllerAddress("https://bdc.example.com"), told)
    assert balanced["webhdfs"] == "https://bdc.example.com/webhdfs/v1"
    assert balanced["gateway-spark"] == "sc://bdc.example.com:443/;use_ssl=true"
    assert by_gateway(ControllerAddress(outside.url, Place("prod", "sales")), told) == told, "a port-forward leads to each of them"
    here = {"gateway": "https://10.0.0.5:30443"}
    assert by_gateway(outside, here) == here, "an address of a machine holds everywhere"
