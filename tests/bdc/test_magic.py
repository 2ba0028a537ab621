"""The extension of IPython in a plain shell of it, against a real PostgreSQL that a saved context names."""

from __future__ import annotations

import atexit
import os
import sys
import types
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas
import pytest
from IPython.core.interactiveshell import InteractiveShell

from bdc import contexts, magic
from bdc.errors import AuthenticationError, SqlError, UserError
from tests.services.postgresql import PostgresqlServer


@pytest.fixture
def shell(postgresql: PostgresqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("BDC_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("BDC_PASSWORD", postgresql.password)
    monkeypatch.delenv("SPARK_REMOTE", raising=False)
    monkeypatch.delenv("BDC_CONTEXT", raising=False)
    endpoints = {"master": f"postgresql://127.0.0.1:{postgresql.port}/postgres"}
    with contexts.editing() as box:
        box[0] = box[0].with_session(contexts.Session("lab", "http://127.0.0.1:1", postgresql.user, endpoints=endpoints))
    found = InteractiveShell()
    found.history_manager.enabled = False
    found.run_line_magic("load_ext", "bdc.magic")
    try:
        yield found
    finally:
        found.run_line_magic("unload_ext", "bdc.magic")
        found.history_manager.end_session()
        found.atexit_operations()
        atexit.unregister(found.atexit_operations)
        InteractiveShell.clear_instance()


def cell(shell: InteractiveShell, text: str) -> Any:
    done = shell.run_cell(text)
    done.raise_error()
    return done.result


def test_a_cell_gives_its_last_rows_as_a_frame_and_prints_the_tags(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    found = cell(shell, "%%sql found\nCREATE TEMP TABLE magic (a int);\nINSERT INTO magic VALUES (1), (2);\nSELECT a, 2.50 AS b FROM magic")
    assert isinstance(found, pandas.DataFrame) and shell.user_ns["found"] is found
    assert found.to_dict("records") == [{"a": 1, "b": Decimal("2.50")}, {"a": 2, "b": Decimal("2.50")}]
    assert capsys.readouterr().out.splitlines()[:2] == ["CREATE TABLE", "INSERT 0 2"]
    assert cell(shell, "%sql SELECT count(*) FROM magic")["count"].tolist() == [2]  # the connection went on


def test_sql_is_taken_as_it_is_and_assigned(shell: InteractiveShell) -> None:
    shell.user_ns["a"] = "wrong"
    cell(shell, "rows = %sql SELECT $$it's {a} and $a$$ AS text, '50%' LIKE '%0\\%' AS fits")
    assert shell.user_ns["rows"].to_dict("records") == [{"text": "it's {a} and $a", "fits": True}]


def test_an_error_is_short_and_the_next_cell_runs(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    for text, said in (("%sql SELECT nonsense", 'error: column "nonsense" does not exist'), ("%sql", "error: there is no SQL")):
        done = shell.run_cell(text)
        assert isinstance(done.error_in_exec, UserError)
        shown = capsys.readouterr().out
        assert said in shown and "Traceback" not in shown and len(shown.splitlines()) <= 5
    assert cell(shell, "%sql SELECT 1 AS one")["one"].tolist() == [1]
    with pytest.raises(UserError, match="variable"):
        cell(shell, "%%sql not a name\nSELECT 1")


def test_a_broken_connection_is_made_anew(shell: InteractiveShell, postgresql: PostgresqlServer) -> None:
    pid = int(cell(shell, "%sql SELECT pg_backend_pid() AS pid")["pid"][0])
    with postgresql.connect() as server:
        server.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
    assert shell.run_cell("%sql SELECT 1").error_in_exec is not None
    assert int(cell(shell, "%sql SELECT pg_backend_pid() AS pid")["pid"][0]) != pid


def test_notices_are_shown_and_a_wrong_password_is_said(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cell(shell, "%sql DO $$ BEGIN RAISE WARNING 'careful'; END $$")
    assert "warning: careful" in capsys.readouterr().err
    monkeypatch.setenv("BDC_PASSWORD", "wrong")
    shell.run_line_magic("reload_ext", "bdc.magic")
    with pytest.raises(AuthenticationError, match="refused"):
        cell(shell, "%sql SELECT 1")


def test_frames_are_exact() -> None:
    large = 2**53 + 1
    found = magic.table(["key", "key", "text"], [20, 20, 25], [(large, None, "a"), (large, large, None)])
    assert isinstance(found, pandas.DataFrame)
    assert [str(kind) for kind in found.dtypes][:2] == ["int64", "Int64"]
    assert found.iloc[0, 0] == large and found.iloc[1, 1] == large and found.iloc[0, 1] is pandas.NA
    empty = magic.table(["a", "b"], [23, 25], [])
    assert isinstance(empty, pandas.DataFrame) and list(empty.columns) == ["a", "b"] and len(empty) == 0


def test_rows_without_pandas_show_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    found = magic.table(["id", "<b>"], [23, 25], [(1, "x<y"), (2, None)])
    assert isinstance(found, magic.Rows) and found == [(1, "x<y"), (2, None)]
    assert repr(found).splitlines() == ["id  <b>", "--  ---", "1   x<y", "2   ∅", "(2 rows)"]
    assert "<th>&lt;b&gt;</th>" in found._repr_html_() and "x&lt;y" in found._repr_html_()
    many = magic.Rows(["n"], [(n,) for n in range(magic.SHOWN_ROWS + 1)])
    assert repr(many).splitlines()[-1] == f"({magic.SHOWN_ROWS + 1} rows, the first {magic.SHOWN_ROWS} shown)"


def test_spark_is_made_by_the_first_cell_that_names_it(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    class Builder:
        def getOrCreate(self) -> str:  # noqa: N802 - Spark's name
            made.append(os.environ["SPARK_REMOTE"])
            return "the session"

    session = types.SimpleNamespace(SparkSession=types.SimpleNamespace(builder=Builder()))
    monkeypatch.setitem(sys.modules, "pyspark", types.ModuleType("pyspark"))
    monkeypatch.setitem(sys.modules, "pyspark.sql", session)
    monkeypatch.setenv("SPARK_REMOTE", "sc://localhost:1")
    shell.run_line_magic("reload_ext", "bdc.magic")
    cell(shell, "sparkling = object.spark if False else 1")
    assert made == []
    assert cell(shell, "spark") == "the session" and cell(shell, "spark") == "the session"
    assert made == ["sc://localhost:1"]


def test_sql_errors_keep_their_class(shell: InteractiveShell) -> None:
    with pytest.raises(SqlError) as told:
        cell(shell, "%sql SELECT 1/0")
    assert told.value.code == "22012"
