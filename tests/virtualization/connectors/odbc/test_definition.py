"""Definitions, capability files and the machine's own ODBC: what is refused, and in which words. No server."""

from __future__ import annotations

import contextlib
import subprocess

import pytest

from tests.services import debian
from virtualization.catalog import Credential, DataSource, VirtualTable
from virtualization.connectors.odbc import OdbcConnector, capabilities, driver_manager
from virtualization.connectors.odbc.names import location_parts, quoted
from virtualization.connectors.odbc.options import parsed, settings
from virtualization.connectors.sqlserver.options import settings as sqlserver_settings
from virtualization.errors import DefinitionError
from virtualization.types import REGISTRY, pg_type

PLACE = "odbc:Driver=MariaDB Unicode;Server=db.example;Database=shop"


def source(location: str = PLACE, **options: str) -> DataSource:
    return DataSource("src", "odbc", location, options, Credential("reader", "planted-secret; {x}"))


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("mariadb://x", "location must be odbc:"),
        ("odbc:", "values with a semicolon"),
        ("odbc:Server=a", "it needs Driver or DSN"),
        ("odbc:Driver=a;DSN=b", "it needs Driver or DSN"),
        (f"{PLACE};PWD=planted", 'without "pwd"'),
        (f"{PLACE};Uid=me", 'without "uid"'),
        ("odbc:FILEDSN=/etc/x;Driver=a", '"filedsn" is not taken'),
        ("odbc:Driver=SQLite3;Database=/x;LoadExt=/tmp/evil.so", '"loadext" is not taken'),
        (f"{PLACE};INITSTMT=DROP TABLE x", '"initstmt" is not taken'),
        ("odbc:Driver=PostgreSQL Unicode;ConnSettings={SELECT 1;}", '"connsettings" is not taken'),
        ("odbc:Driver=/tmp/evil.so", "not by a path"),
        (f"{PLACE};server=b", "stands there twice"),
    ],
)
def test_wrong_location(location: str, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        settings(source(location))
    assert said in caught.value.message and "planted" not in caught.value.message


@pytest.mark.parametrize("name", ["PWD", "password", "UID"])
def test_a_login_is_no_option(name: str) -> None:
    for read in (settings, sqlserver_settings):
        with pytest.raises(DefinitionError, match="is a login, which no option takes") as caught:
            read(source(**{name: "planted"}))
        assert caught.value.hint and "planted" not in caught.value.message


def test_options_are_checked() -> None:
    assert settings(source(max_value_bytes="1000", schemas="a, b")).schemas == ("a", "b")
    for name, text in {"max_value_bytes": "1", "pushdown": "maybe", "nope": "1"}.items():
        with pytest.raises(DefinitionError, match=name):
            settings(source(**{name: text}))


def test_a_connection_string_is_taken_apart_and_put_together() -> None:
    made = settings(source("odbc:DSN={a;b}};c} ; X = 1"))
    assert made.attributes == (("DSN", "a;b};c"), ("X", "1"))
    assert made.with_login({"Y": "2", "x": "3"}) == "DSN={a;b}};c};X=1;Y=2;UID=reader;PWD={planted-secret; {x}}}"
    assert "planted" not in repr(made) and "planted" not in made.address
    for text in ("", "=1", "a", "a={b"):
        assert parsed(text) is None


def test_sqlserver_is_an_odbc_source_of_microsofts_driver() -> None:
    made = sqlserver_settings(source("sqlserver://Db.example/Shop", trust_server_certificate="on", fetch_rows="5"))
    assert made.connection_string({"ApplicationIntent": "ReadOnly"}) == (
        "Driver=ODBC Driver 18 for SQL Server;Server={tcp:db.example,1433};Database=Shop;Encrypt=yes;TrustServerCertificate=yes;"
        "ApplicationIntent=ReadOnly"
    )
    assert made.fetch_rows == 5
    for location in ("sqlserver://u:planted@h/db", "sqlserver://h", "sqlserver://h/db?x=1", "sqlserver://a,b/db", "postgresql://h/db"):
        with pytest.raises(DefinitionError) as caught:
            sqlserver_settings(source(location))
        assert "planted" not in caught.value.message


def test_a_driver_that_is_not_installed_is_named_beside_those_that_are() -> None:
    for kind in ("odbc:Driver=Nope;Server=h", "odbc:Driver=ODBC Driver 99;Server=h"):
        with pytest.raises(DefinitionError, match="is not installed") as caught:
            OdbcConnector(source(kind)).test()
        assert "SQLite3" in (caught.value.hint or "")


def test_without_unixodbc_the_install_line_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> None:
        raise ImportError("libodbc.so.2: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(driver_manager.importlib, "import_module", gone)
    with pytest.raises(DefinitionError, match=r"libodbc\.so\.2") as caught:
        OdbcConnector(source()).test()
    assert "apt-get install unixodbc" in (caught.value.hint or "")


def test_every_capability_file_is_read_and_complete() -> None:
    files = {one.name: one for one in capabilities.known()}
    assert set(files) == {"mariadb", "postgresql", "sqlite", "sqlserver"}
    for one in files.values():
        assert one.drivers and one.products and one.statements and one.limit in ("limit", "fetch") and one.nulls in ("smallest", "written")
        assert all(form.remote for kind, form in one.forms.items() if kind in ("integer", "text", "date"))
        assert all(" ".join(name.upper().split()) == name for form in one.forms.values() for name in form.remote)
    assert capabilities.capabilities("libfoo.so", "Foo") is capabilities.UNKNOWN
    assert capabilities.capabilities("sqlite3odbc.so", "SQLite").name == "sqlite"
    with pytest.raises(ValueError, match="unknown keys: quotes"):
        capabilities.read("x", {"quotes": "`"})
    with pytest.raises(ValueError, match="unknown keys: colour"):
        capabilities.read("x", {"text": {"colour": "red"}})


def test_every_declared_type_is_of_a_family() -> None:
    assert {capabilities.family(pg_type(of.name)) for of in REGISTRY} <= set(capabilities.FAMILIES)
    assert capabilities.family(pg_type("numeric(12,2)")) == "decimal"
    assert capabilities.family(pg_type("numeric")) == "numeric"
    assert capabilities.family(pg_type("character(3)")) == "other"


def test_names() -> None:
    assert location_parts('shop."Order ""Lines"""') == ("shop", 'Order "Lines"')
    assert (quoted("a`b", "`"), quoted("a]b", "["), quoted('a"b')) == ("`a``b`", "[a]]b]", '"a""b"')
    for wrong in ("", "a.b.c.d", "a b", "a.", '"a'):
        with pytest.raises(DefinitionError):
            location_parts(wrong)
    with pytest.raises(DefinitionError, match="no quotes for names"):
        quoted("a", " ")


def test_a_table_takes_no_unknown_option() -> None:
    assert VirtualTable("public", "t", "src", "t", ()).options == {}
    with pytest.raises(DefinitionError, match="takes no option"):
        OdbcConnector(source()).detect("t", {"format": "csv"})


def test_root_never_skips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where apt may install the packages, a failure of it fails the tests."""
    monkeypatch.setattr(debian, "_missing", lambda packages: list(packages))
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    failed = subprocess.CompletedProcess([], 100, "", "E: Unable to locate package unixodbc")
    monkeypatch.setattr("subprocess.run", lambda *words, **how: failed)
    for user, expected in ((0, pytest.raises(RuntimeError, match="Unable to locate")), (1000, contextlib.nullcontext())):
        monkeypatch.setattr("os.geteuid", lambda user=user: user)
        with expected:
            assert "apt-get install unixodbc" in (debian.why_not.__wrapped__("unixodbc") or "")
