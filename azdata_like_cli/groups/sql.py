"""SQL on the master: ``sql query|shell|explain|history``."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import click

from azdata_like_cli import output
from azdata_like_cli.answers import Lines, Several, SqlRows
from azdata_like_cli.command import BdcGroup, Settings, argument, pass_settings
from azdata_like_cli.groups.sqlhistory import history
from azdata_like_cli.passwords import standard_input
from azdata_like_cli.sqlsession import Login, connected, login_options
from azdata_like_cli.statements import count
from bdc.errors import UserError

if TYPE_CHECKING:
    import psycopg

    from bdc.sql import TextResult

KINDS = {
    16: "bool",
    20: "number",
    21: "number",
    23: "number",
    26: "number",
    700: "number",
    701: "number",
    1700: "number",
    114: "json",
    3802: "json",
}
"""PostgreSQL's type OIDs (pg_type.dat) whose JSON form is not a string."""


@click.group("sql", cls=BdcGroup)
def sql() -> None:
    """Run SQL on the master.

    After `bdc login` no password is asked for while the session lives. Otherwise it comes from BDC_PASSWORD, PGPASSWORD, ~/.pgpass or a
    prompt.
    """


@sql.command(
    "query",
    examples=[
        "bdc sql query 'SELECT * FROM house LIMIT 3'",
        "bdc sql query -q 'SELECT 1' -d sales",
        "bdc sql query --file report.sql -o tsv",
        "echo 'SELECT 1' | bdc sql query -",
    ],
)
@argument("text", "-q", needed=False, metavar="SQL")
@click.option("--file", "-f", type=click.Path(path_type=pathlib.Path), help="Read the SQL from this file.")
@login_options
@pass_settings
def query(settings: Settings, text: str | None, file: pathlib.Path | None, login_database: str | None, login_user: str | None) -> Several:
    """Run SQL: one statement or several, in one transaction unless they say otherwise. `-` reads it from standard input.

    Several statements: JSON, YAML and --query get a list with one element per result.
    Results are written as they arrive, so their size does not matter. NULL is shown as ∅ (JSON: null, TSV: \\N); numerics keep every digit.
    """
    wanted = statement_text(text, file)
    return Several(answers=_results(settings, Login(login_database, login_user), wanted), listed=count(wanted) > 1)


def statement_text(text: str | None, file: pathlib.Path | None) -> str:
    """The SQL from the argument, the file or, for ``-``, standard input."""
    if (text is None) == (file is None):
        raise click.UsageError("Give the SQL as an argument or with --file, one of both.")
    if file is not None:
        try:
            return file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"{file} is not a UTF-8 text") from error
    return standard_input().read() if text == "-" else str(text)


def _results(settings: Settings, login: Login, text: str) -> Iterator[SqlRows]:
    with connected(settings, login) as connection:
        yield from results(connection, text)


def results(connection: psycopg.Connection[Any], text: str) -> Generator[SqlRows, None, None]:
    """One answer per statement that gives rows; the tags of others (``INSERT 0 3``) are messages."""
    from bdc.sql import stream_text

    for result in stream_text(connection, text):
        if result.columns:
            yield rows_of(result)
        elif result.tag:
            output.message(result.tag)


def rows_of(result: TextResult) -> SqlRows:
    """A result for the printer."""
    return SqlRows(
        names=[column.name for column in result.columns],
        kinds=[KINDS.get(column.oid, "text") for column in result.columns],
        rows=result.rows,
    )


@sql.command(
    "explain",
    examples=[
        "bdc sql explain 'SELECT count(*) FROM house'",
        "bdc sql explain --analyze 'SELECT * FROM sales WHERE md5(name) < $$a$$'",
        "bdc sql explain 'SELECT * FROM sales' --format json",
    ],
)
@argument("text", "-q", needed=False, metavar="SQL")
@click.option("--file", "-f", type=click.Path(path_type=pathlib.Path), help="Read the SQL from this file.")
@click.option("--analyze", is_flag=True, help="Run the query and count: on the master, then what the compute pool does of it once more.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The plan's own form.")
@login_options
@pass_settings
def explain(  # noqa: PLR0913 - one parameter per option
    settings: Settings,
    text: str | None,
    file: pathlib.Path | None,
    analyze: bool,
    form: str,
    login_database: str | None,
    login_user: str | None,
) -> Lines:
    """Show what the master keeps and why, what the compute pool does, and the very text that each source receives.

    Nothing is run without --analyze. Everything kept has a reason, a code, and what would change it.
    """
    from bdc.sql import translated

    wanted = statement_text(text, file)
    with connected(settings, Login(login_database, login_user)) as connection, translated():
        rows = connection.execute("SELECT * FROM bdc.explain(%s, %s, %s)", (wanted, form, analyze)).fetchall()
    texts = [str(row) if form == "text" else json.dumps(json.loads(row), indent=2, ensure_ascii=False) for (row,) in rows]
    return Lines(lines=[line for text in texts for line in text.splitlines() or [""]])


sql.add_command(history)


@sql.command("shell", examples=["bdc sql shell", "bdc sql shell -d sales", "bdc sql shell < statements.sql"])
@login_options
@pass_settings
def shell(settings: Settings, login_database: str | None, login_user: str | None) -> None:
    """An interactive session: statements end with `;`, `\\?` lists its commands. psql works too: `bdc endpoint list -e master`."""
    from azdata_like_cli.shell import Shell

    with connected(settings, Login(login_database, login_user)) as connection:
        Shell(connection, settings).run()
