"""SQL against a real PostgreSQL: logging in with the session's keys, streams, forms of output, errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml
from psycopg import sql

from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import PASSWORD, StandinController
from tests.patience import PATIENCE
from tests.services.postgresql import PostgresqlServer

pytestmark = pytest.mark.service
USER = "cli_admin"


@pytest.fixture
def master(
    bdc: Run, postgresql: PostgresqlServer, controller: StandinController, monkeypatch: pytest.MonkeyPatch
) -> Iterator[StandinController]:
    """Logged in to a stand-in controller whose master is a real PostgreSQL with a role of that user."""
    with postgresql.connect() as connection:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {0}").format(sql.Identifier(USER)))
        connection.execute(sql.SQL("CREATE ROLE {0} LOGIN PASSWORD {1}").format(sql.Identifier(USER), PASSWORD))
    controller.endpoints["sql-server-master"] = f"127.0.0.1,{postgresql.port}"
    with monkeypatch.context() as patch:
        patch.setenv("BDC_PASSWORD", PASSWORD)
        assert bdc("login", "-e", controller.url, "-u", USER).code == 0
    yield controller
    with postgresql.connect() as connection:
        connection.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(USER)))


def test_after_login_no_password_is_asked_for(bdc: Run, master: StandinController, home: Path) -> None:
    assert PASSWORD not in (home / "config" / "contexts.json").read_text()
    outcome = bdc("sql", "query", "SELECT current_user AS me", "-o", "json")
    assert outcome.code == 0, outcome.err
    assert outcome.json == [{"me": USER}]


def test_logout_ends_sql_too(bdc: Run, master: StandinController) -> None:
    bdc("logout")
    outcome = bdc("sql", "query", "SELECT 1")
    assert outcome.code == 4
    assert "bdc login" in outcome.err


def test_keys_end_with_the_session(bdc: Run, master: StandinController, home: Path) -> None:
    file = home / "config" / "contexts.json"
    document = json.loads(file.read_text())
    document["contexts"]["demo"]["sql"]["expires"] = time.time() - 1
    file.write_text(json.dumps(document))
    assert bdc("sql", "query", "SELECT 1").code == 4


def test_keys_end_with_the_password(bdc: Run, master: StandinController, postgresql: PostgresqlServer) -> None:
    with postgresql.connect() as connection:
        connection.execute(sql.SQL("ALTER ROLE {0} PASSWORD 'another'").format(sql.Identifier(USER)))
    outcome = bdc("sql", "query", "SELECT 1")
    assert outcome.code == 4
    assert "bdc login" in outcome.err


def test_no_sql_keeps_no_keys(bdc: Run, master: StandinController, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("BDC_PASSWORD", PASSWORD)
    assert bdc("login", "-e", master.url, "-u", USER, "--no-sql").code == 0
    assert json.loads((home / "config" / "contexts.json").read_text())["contexts"]["demo"]["sql"] is None
    assert bdc("sql", "query", "SELECT 1").code == 0  # BDC_PASSWORD
    monkeypatch.delenv("BDC_PASSWORD")
    assert bdc("sql", "query", "SELECT 1").code == 4
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert bdc("sql", "query", "SELECT 1").code == 0


def test_passfile(bdc: Run, master: StandinController, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    bdc("logout")
    (home / "pass").write_text(f"127.0.0.1:*:*:{USER}:{PASSWORD}\n")
    (home / "pass").chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(home / "pass"))
    assert bdc("sql", "query", "SELECT 1").code == 0


def test_a_password_beyond_ascii(
    bdc: Run, controller: StandinController, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = "pässwörd ½"
    monkeypatch.setattr("tests.azdata_like_cli.standin_controller.PASSWORD", word)
    controller.endpoints["master"] = f"postgresql://127.0.0.1:{postgresql.port}"
    with postgresql.connect() as connection:
        connection.execute(sql.SQL("CREATE ROLE uni LOGIN PASSWORD {}").format(word))
    monkeypatch.setenv("BDC_PASSWORD", word)
    assert bdc("login", "-e", controller.url, "-u", "uni").code == 0
    monkeypatch.delenv("BDC_PASSWORD")
    outcome = bdc("sql", "query", "SELECT 1")
    with postgresql.connect() as connection:
        connection.execute("DROP ROLE uni")
    assert outcome.code == 0, outcome.err


VALUES = """SELECT 12345678901234567890.1234567890::numeric AS n, NULL::text AS nothing, 'NULL' AS word, true AS yes,
  '{"a": 1}'::jsonb AS j, 'NaN'::float8 AS nan, 1 AS i, 'ä€日本' AS t, DATE '2024-02-29' AS d"""


def test_json_keeps_every_digit(bdc: Run, master: StandinController) -> None:
    out = bdc("sql", "query", VALUES, "-o", "json").out
    assert '"n": 12345678901234567890.1234567890' in out
    row = json.loads(out)[0]
    assert (row["nothing"], row["word"], row["yes"], row["j"], row["nan"], row["i"]) == (None, "NULL", True, {"a": 1}, "NaN", 1)
    assert (row["t"], row["d"]) == ("ä€日本", "2024-02-29")


def test_table_tsv_yaml(bdc: Run, master: StandinController) -> None:
    table = bdc("sql", "query", VALUES).out.splitlines()
    assert "12345678901234567890.1234567890  ∅        NULL" in table[2]
    assert table[-1] == "(1 row)"
    tsv = bdc("sql", "query", VALUES, "-o", "tsv").out.splitlines()
    assert tsv[1].split("\t")[:3] == ["12345678901234567890.1234567890", "\\N", "NULL"]
    assert "nothing: null" in bdc("sql", "query", VALUES, "-o", "yaml").out


def test_empty_and_doubled_columns(bdc: Run, master: StandinController) -> None:
    assert bdc("sql", "query", "SELECT 1 AS a WHERE false", "-o", "json").json == []
    assert bdc("sql", "query", "SELECT 1 AS a WHERE false", "-o", "yaml").out == "[]\n"
    assert bdc("sql", "query", "SELECT 1 AS a, 2 AS a", "-o", "json").json == [{"a": 1, "a_2": 2}]


def test_escape_sequences_in_data_do_not_reach_the_terminal(bdc: Run, master: StandinController) -> None:
    query = "SELECT E'\\x1b[2J\\u202eevil\\u009b31m\\tb\\nc' AS \"col\x1b[0m\""
    for form in ("table", "tsv", "json", "yaml"):
        out = bdc("sql", "query", query, "-o", form).out
        assert not {"\x1b", "\u202e", "\u009b"} & set(out), form
    assert json.loads(bdc("sql", "query", query, "-o", "json").out)[0]["col\x1b[0m"] == "\x1b[2J\u202eevil\u009b31m\tb\nc"


def test_several_statements_and_tags(bdc: Run, master: StandinController) -> None:
    outcome = bdc("sql", "query", "CREATE TEMP TABLE t (a int); INSERT INTO t VALUES (1), (2); SELECT sum(a) AS s FROM t", "-o", "json")
    assert outcome.json == [[{"s": 3}]]
    assert outcome.err.splitlines() == ["CREATE TABLE", "INSERT 0 2"]


def test_from_standard_input_and_file(bdc: Run, master: StandinController, home: Path) -> None:
    assert bdc("sql", "query", "-", "-o", "json", stdin="SELECT 5 AS five").json == [{"five": 5}]
    (home / "q.sql").write_text("SELECT 6 AS six")
    assert bdc("sql", "query", "--file", str(home / "q.sql"), "-o", "json").json == [{"six": 6}]
    assert bdc("sql", "query", "-q", "SELECT 7 AS seven", "-o", "json", "--query", "[0].seven").json == 7


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("SELEKT", 1, "syntax error"),
        ("SELECT * FROM nope", 1, 'relation "nope" does not exist'),
        ("SELECT 1/0", 1, "division by zero"),
        ("SELECT rolpassword FROM pg_authid", 1, "permission denied"),
        ("SELECT i/(i-3) FROM generate_series(1, 5) i", 1, "division by zero"),
        ("COPY (SELECT 1) TO STDOUT", 1, "COPY"),
        ("SELECT pg_terminate_backend(pg_backend_pid())", 3, "terminating connection"),
    ],
)
def test_errors(bdc: Run, master: StandinController, query: str, code: int, words: str) -> None:
    outcome = bdc("sql", "query", query)
    assert outcome.code == code, outcome.err
    assert words in outcome.err
    assert "Traceback" not in outcome.err


def test_unknown_database_and_user(bdc: Run, master: StandinController, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no database" in bdc("sql", "query", "SELECT 1", "-d", "nope").err
    monkeypatch.setenv("BDC_PASSWORD", "no-good-password")
    outcome = bdc("sql", "query", "SELECT 1", "-u", "nobody'; --")
    assert outcome.code == 4
    assert "no-good-password" not in outcome.err and "unset it" in outcome.err


def test_the_master_is_down(bdc: Run, logged_in: StandinController, monkeypatch: pytest.MonkeyPatch) -> None:
    logged_in.endpoints["master"] = "127.0.0.1:1"
    monkeypatch.setenv("BDC_PASSWORD", PASSWORD)
    login = bdc("login", "-e", logged_in.url)
    assert login.code == 0
    assert "will ask for the password" in login.out
    assert bdc("sql", "query", "SELECT 1").code == 3


def test_a_large_result_streams(master: StandinController) -> None:
    """A million rows, 110 MB: the peak of resident memory stays far below their size."""
    script = (
        "import pathlib, sys; from azdata_like_cli.main import main;"
        "code = main(['sql', 'query', \"SELECT generate_series(1, 1000000) AS i, repeat('x', 100)\", '-o', 'tsv']);"
        "print(code, pathlib.Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0], file=sys.stderr)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        code, kilobytes = running.stderr.read().split()
    assert int(code) == 0
    assert int(kilobytes) < 100_000


def test_the_first_rows_come_before_the_last_are_made(master: StandinController) -> None:
    command = [sys.executable, "-m", "azdata_like_cli", "sql", "query", "SELECT generate_series(1, 100000000) AS i", "-o", "tsv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "i\n"
        running.send_signal(signal.SIGINT)
        running.stdout.close()
        assert running.wait(PATIENCE) in (130, 141)


def test_ctrl_c_cancels_in_the_server(master: StandinController, postgresql: PostgresqlServer) -> None:
    command = [sys.executable, "-m", "azdata_like_cli", "sql", "query", "SELECT pg_sleep(60) AS cli_sleep"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running, postgresql.connect() as watch:
        _until(watch, 1)
        running.send_signal(signal.SIGINT)
        assert running.wait(PATIENCE) == 130
        _until(watch, 0)


def _until(watch: psycopg.Connection[tuple[object, ...]], count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%cli_sleep' AND state = 'active' AND pid <> pg_backend_pid()"
    while watch.execute(query).fetchone() != (count,):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_shell_from_a_pipe(bdc: Run, master: StandinController) -> None:
    text = "SELECT 'a;b' AS x\n;\n\\d pg_class\n-- ; a comment\nSELECT $$;$$ AS y; SELECT 3 AS z"
    outcome = bdc("sql", "shell", stdin=text)
    assert outcome.code == 0, outcome.err
    for expected in ("a;b", "relname", "y\n-\n;", "z\n-\n3"):
        assert expected in outcome.out
    failed = bdc("sql", "shell", stdin="SELECT nope;\nSELECT 1 AS unreached;")
    assert failed.code == 1
    assert "unreached" not in failed.out


def test_shell_at_a_terminal_goes_on_after_an_error(master: StandinController) -> None:
    terminal, other = os.openpty()
    command = [sys.executable, "-m", "azdata_like_cli", "sql", "shell"]
    with subprocess.Popen(command, stdin=other, stdout=other, stderr=other) as running:
        os.close(other)
        os.write(terminal, b"SELECT nope;\nSELECT 40 +\n 2 AS answer;\n\\timing\n\\q\n")
        shown = b""
        try:
            while part := os.read(terminal, 4096):
                shown += part
        except OSError:  # Linux: the other side is closed
            pass
        assert running.wait(PATIENCE) == 0
    os.close(terminal)
    assert b"does not exist" in shown
    assert b"42" in shown
    assert b"Timing is on" in shown


def test_several_results_are_one_document(bdc: Run, master: StandinController) -> None:
    text = "SELECT 1 AS a; CREATE TEMP TABLE t (b int); SELECT b FROM t; SELECT 'x' AS c, NULL AS d -- the end"
    expected = [[{"a": 1}], [], [{"c": "x", "d": None}]]
    assert bdc("sql", "query", text, "-o", "json").json == expected
    assert yaml.safe_load(bdc("sql", "query", text, "-o", "yaml").out) == expected
    assert bdc("sql", "query", text, "-o", "json", "--query", "[0][0].a").json == 1
    assert bdc("sql", "query", text, "-o", "tsv").out == "a\n1\n\nb\n\nc\td\nx\t\\N\n"


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_statement_without_rows_is_a_document_too(bdc: Run, master: StandinController, form: str) -> None:
    outcome = bdc("sql", "query", "CREATE TEMP TABLE t (a int);", "-o", form)
    assert (outcome.code, outcome.out) == (0, "[]\n")


def test_a_wrong_expression_is_told_before_anything_runs(bdc: Run, master: StandinController) -> None:
    outcome = bdc("sql", "query", "CREATE TABLE never (a int)", "--query", "[")
    assert outcome.code == 1
    assert "JMESPath" in outcome.err
    assert "CREATE" not in outcome.err


def test_ctrl_c_in_the_shell_ends_the_statement_and_not_the_session(master: StandinController, postgresql: PostgresqlServer) -> None:
    terminal, other = os.openpty()
    command = [sys.executable, "-m", "azdata_like_cli", "sql", "shell"]
    with subprocess.Popen(command, stdin=other, stdout=other, stderr=other) as running, postgresql.connect() as watch:
        os.close(other)
        os.write(terminal, b"SELECT pg_sleep(60) AS cli_sleep;\n")
        _until(watch, 1)
        running.send_signal(signal.SIGINT)
        _until(watch, 0)
        os.write(terminal, b"SELECT 40 + 2 AS answer;\n\\q\n")
        shown = b""
        try:
            while part := os.read(terminal, 4096):
                shown += part
        except OSError:  # Linux: the other side is closed
            pass
        assert running.wait(PATIENCE) == 0, shown
    os.close(terminal)
    assert b"cancelled" in shown
    assert b"42" in shown


def test_a_reader_that_goes_away_leaves_no_noise(master: StandinController) -> None:
    command = [sys.executable, "-m", "azdata_like_cli", "sql", "query", "SELECT generate_series(1, 100000000) AS i"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.wait(PATIENCE) == 141
        assert running.stderr.read() == ""
