from __future__ import annotations

import psycopg
import pytest

from pyspark_bdc.errors import OptionError
from pyspark_bdc.options import Range, parse
from pyspark_bdc.refusals import REFUSED

LOGIN = {"host": "db", "user": "ann", "password": "geheim'\\ 1", "dbtable": "t"}


def test_single_options_are_a_login_and_a_table() -> None:
    options = parse({**LOGIN, "port": "31533", "database": "sales", "sslmode": "require", "dbtable": 'House."Ring ""Road"""'})
    assert psycopg.conninfo.conninfo_to_dict(options.address.conninfo()) == {
        "host": "db",
        "port": "31533",
        "dbname": "sales",
        "user": "ann",
        "password": "geheim'\\ 1",
        "sslmode": "require",
        "application_name": "pyspark_bdc",
        "client_encoding": "UTF8",
        "connect_timeout": "15",
        "options": "-c default_transaction_read_only=on",
    }
    assert options.relation == '"house"."Ring ""Road"""'
    assert options.unconstrained_numeric == (38, 18)
    assert not options.push_filters  # see docs/guide/spark.md: Spark may reuse filters
    assert options.range is None


def test_port_and_database_have_the_clusters_defaults_and_names_any_case() -> None:
    options = parse({"HOST": "db", "User": "ann", "dbTable": "t"})
    assert str(options.address) == "ann@db:31433/bdc"
    assert options.address.password is None
    assert "password" not in options.address.conninfo()


@pytest.mark.parametrize("scheme", ["postgresql", "jdbc:postgresql", "postgres"])
def test_a_url_says_the_same(scheme: str) -> None:
    options = parse({"url": f"{scheme}://an%40n:ge%2Fheim@[::1]:31433/my%20db?sslmode=disable", "query": "SELECT 1 AS a -- one;\n ; "})
    settings = psycopg.conninfo.conninfo_to_dict(options.address.conninfo())
    assert [settings[name] for name in ("host", "port", "dbname", "user", "password", "sslmode")] == [
        "::1", "31433", "my db", "an@n", "ge/heim", "disable",
    ]  # fmt: skip
    assert options.relation == "(\nSELECT 1 AS a -- one;\n) AS bdc_query"


def test_in_the_clusters_own_spark_the_address_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BDC_MASTER", "127.0.0.1:31533")
    login = {"user": "ann", "dbtable": "house"}
    assert str(parse(login).address) == "ann@127.0.0.1:31533/bdc"
    assert str(parse({**login, "host": "elsewhere"}).address) == "ann@elsewhere:31433/bdc"
    assert str(parse({**login, "url": "postgresql://there:5432/x"}).address) == "ann@there:5432/x"


def test_user_and_password_of_a_jdbc_url_are_parameters() -> None:
    options = parse({"url": "jdbc:postgresql://db:5432/x?user=ann&password=a+b%26c", "dbtable": "t"})
    assert (options.address.user, options.address.password) == ("ann", "a b&c")


def test_ranges_and_numerics() -> None:
    cut = {"partitionColumn": "id", "lowerBound": "0", "upperBound": "10", "numPartitions": "4"}
    options = parse({**LOGIN, **cut, "unconstrainedNumeric": "String", "pushDownPredicate": "TRUE"})
    assert options.range == Range("id", "0", "10", 4)
    assert options.unconstrained_numeric is None
    assert options.push_filters
    assert parse({**LOGIN, "unconstrainedNumeric": "DECIMAL(20, 4)"}).unconstrained_numeric == (20, 4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": None}, "option host is missing"),
        ({"user": None}, "option user is missing"),
        ({"port": "0"}, "option port: '0'"),
        ({"port": "²"}, "option port"),
        ({"dbtable": None}, "exactly one of the options dbtable and query"),
        ({"query": "SELECT 1"}, "exactly one of the options dbtable and query"),
        ({"dbtable": "(SELECT 1) AS t"}, "give the SELECT in the option query"),
        ({"dbtable": "a.b.c.d"}, "no table name"),
        ({"dbtable": "a."}, "no table name"),
        ({"dbtable": "a; DROP TABLE b"}, "no table name"),
        ({"dbtable": 'a"b'}, "no table name"),
        ({"url": "postgresql://db:1/x"}, "options url and host"),
        ({"host": None, "url": "postgresql://bob@db:1/x"}, "option user and the url differ"),
        ({"host": None, "url": "postgresql://db/x"}, "names no port"),
        ({"host": None, "url": "postgresql://db:no/x"}, "can't be read"),
        ({"host": None, "url": "mysql://db:1/x"}, "can't be read"),
        ({"host": None, "url": "postgresql://db:1/x?loadBalanceHosts=true"}, "unknown parameter 'loadBalanceHosts'"),
        ({"numPartitions": "4"}, "missing: partitionColumn, lowerBound, upperBound"),
        ({"unconstrainedNumeric": "decimal(39,0)"}, "option unconstrainedNumeric"),
        ({"unconstrainedNumeric": "decimal(3,4)"}, "option unconstrainedNumeric"),
        ({"pushDownPredicate": "maybe"}, "option pushDownPredicate"),
        ({"colour": "blue"}, "unknown option 'colour' .*known are columns, database"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_out_is_refused(options: dict[str, str | None], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        parse({name: value for name, value in {**LOGIN, **options}.items() if value is not None})


@pytest.mark.parametrize("refusal", REFUSED.values(), ids=lambda refusal: refusal.name)
def test_options_of_other_sources_are_refused_with_the_reason(refusal: object) -> None:
    with pytest.raises(OptionError) as caught:
        parse({**LOGIN, refusal.name: "x"})  # type: ignore[attr-defined]
    assert str(caught.value).startswith(f"option {refusal.name}: {refusal.why}")  # type: ignore[attr-defined]


def test_no_text_of_ours_holds_the_password() -> None:
    options = parse({**LOGIN, "password": "very-secret"})
    assert "very-secret" not in repr(options) + str(options.address)
    for url in ("postgresql://ann:very-secret@db:x/y", "mysql://ann:very-secret@db:1/y", "postgresql://ann:very-secret@db/y"):
        with pytest.raises(OptionError) as caught:
            parse({"url": url, "dbtable": "t"})
        assert "very-secret" not in repr(caught.value)


def test_columns_are_read_as_sql_reads_names() -> None:
    assert parse(LOGIN).columns == ()
    assert parse({**LOGIN, "columns": 'Id, "Unit price"'}).columns == ("id", "Unit price")
    with pytest.raises(OptionError, match="option columns"):
        parse({**LOGIN, "columns": "count(*)"})
