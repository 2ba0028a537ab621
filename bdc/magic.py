"""An extension of IPython, so of Jupyter's notebooks: SQL in a cell, and Spark by its name.

    %load_ext bdc.magic                 (``bdc notebook`` has done it)

    %%sql                               one statement or several on the master, as the user of ``bdc login``
    SELECT * FROM house LIMIT 3

    %%sql frame                         the result also into the variable ``frame``
    rows = %sql SELECT count(*) FROM house

    spark.table(…)                      the session is made when a cell first names ``spark`` (where ``SPARK_REMOTE`` is set)

The result is a pandas DataFrame where pandas is installed, else ``Rows``. The connection lives as long as the kernel: temporary tables
and transactions go on from cell to cell. It is made by the context that ``BDC_CONTEXT`` names, or the active one; ``BDC_PASSWORD`` comes
before the keys of the login. Errors are a few lines: message, place, reason, what to do next.

IPython itself is not imported here: it hands itself over.
"""

from __future__ import annotations

import html
import os
import re
import sys
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from bdc.errors import BdcError, UserError

if TYPE_CHECKING:
    import psycopg

CONTEXT = "BDC_CONTEXT"
SHOWN_ROWS = 50
"""More rows than these are held, but not shown (pandas has a limit of its own)."""
INTEGERS = {20: "Int64", 21: "Int16", 23: "Int32", 26: "Int64"}
"""OIDs of PostgreSQL's integers, with pandas' types that hold NULL beside them: through float64 large keys would change."""
_SPARK = re.compile(r"(?<![\w.])spark(?!\w)")


class Rows(list[tuple[Any, ...]]):
    """A result without pandas: a list of tuples that shows itself as a table. ``columns``: the names."""

    def __init__(self, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        super().__init__(rows)
        self.columns = tuple(columns)

    def __repr__(self) -> str:
        cells = [list(self.columns), *self._cells()]
        widths = [max(len(row[place]) for row in cells) for place in range(len(self.columns))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
        return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:], f"({self._count()})"])

    def _repr_html_(self) -> str:
        """What a notebook shows."""

        def line(tag: str, cells: Sequence[str]) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(line("td", row) for row in self._cells())
        return f"<table><thead>{line('th', self.columns)}</thead><tbody>{body}</tbody></table><p>{self._count()}</p>"

    def _cells(self) -> list[list[str]]:
        return [["∅" if value is None else str(value) for value in row] for row in self[:SHOWN_ROWS]]

    def _count(self) -> str:
        counted = f"{len(self)} row" + ("" if len(self) == 1 else "s")
        return counted if len(self) <= SHOWN_ROWS else f"{counted}, the first {SHOWN_ROWS} shown"


class SqlMagic:
    """``%sql`` and ``%%sql`` of one kernel: holds its connection. ``namespace``: the variables of the user."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    # SQL's own $1, $$ and {} are not Python variables to be filled in
    _ipython_magic_no_var_expand = True

    def __call__(self, line: str, cell: str | None = None) -> object:
        """Run it; the last result that has rows, None when there is none. Tags of the others (``INSERT 0 3``) are printed."""
        try:
            return self._run(line, cell)
        except BdcError as error:
            shown = described(error).splitlines()
            setattr(error, "_render_traceback_", lambda: shown)  # noqa: B010 - IPython asks the exception how to show it
            raise

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self, line: str, cell: str | None) -> object:
        name = line.strip()
        if cell is None:
            return self._result(line)
        if name and not name.isidentifier():
            raise UserError(f"%%sql {name}: a variable's name may follow, or nothing", hint="put the SQL on the lines below")
        result = self._result(cell)
        if name:
            self._namespace[name] = result
        return result

    def _result(self, text: str) -> object:
        from bdc.sql import translated

        if not text.strip():
            raise UserError("there is no SQL", hint="%sql SELECT 1, or %%sql and the SQL on the lines below")
        found: object = None
        with translated(), self._open().cursor() as cursor:
            cursor.execute(text.encode())
            more: bool | None = True
            while more:
                if cursor.description:
                    names, oids = zip(*((column.name, column.type_code) for column in cursor.description), strict=True)
                    found = table(names, oids, cursor.fetchall())
                elif cursor.statusmessage:
                    print(cursor.statusmessage)  # noqa: T201 - the cell's output
                more = cursor.nextset()
        return found

    def _open(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The connection; a new one where the old one has broken (the master was restarted)."""
        if self._connection is None or self._connection.closed:
            from bdc.session import connect
            from bdc.sql import password_from_environment

            session = connect(os.environ.get(CONTEXT), password=password_from_environment(), database=os.environ.get("PGDATABASE"))
            self._connection = session.connection
            self._connection.add_notice_handler(_notice)
        return self._connection


def table(names: Sequence[str], oids: Sequence[int], rows: list[tuple[Any, ...]]) -> object:
    """A pandas DataFrame, or ``Rows`` where pandas is not installed. Exact: numerics stay Decimal, integers beside NULL integers."""
    try:
        import pandas
    except ImportError:
        return Rows(names, rows)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    series = [_series(pandas, oid, values) for oid, values in zip(oids, columns, strict=True)]
    frame = pandas.concat(series, axis=1)
    frame.columns = list(names)  # only now: SQL may give two columns one name
    return frame


def _series(pandas: Any, oid: int, values: tuple[Any, ...]) -> Any:  # noqa: ANN401 - pandas has no types
    kind = INTEGERS.get(oid)
    if kind is None:
        return pandas.Series(values, dtype=None if values else object)
    return pandas.Series(values, dtype=kind if None in values else kind.lower())


def described(error: BdcError) -> str:
    """The error as text: what, where, why, next."""
    parts = (("where", error.where), ("why", error.why), ("next", error.hint))
    return "\n".join(chain([f"error: {error.message}"], (f"  {label + ':':<7} {text}" for label, text in parts if text)))


def _notice(diagnostic: Any) -> None:  # noqa: ANN401 - psycopg's Diagnostic
    if diagnostic.severity_nonlocalized != "DEBUG":
        print(f"{(diagnostic.severity_nonlocalized or 'notice').lower()}: {diagnostic.message_primary}", file=sys.stderr)  # noqa: T201


class SparkByName:
    """Makes the Spark Connect session ``spark`` just before the first cell that names it, so that a notebook without Spark pays nothing."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self._namespace = namespace

    def before_cell(self, info: Any) -> None:  # noqa: ANN401 - IPython's ExecutionInfo
        """IPython's event ``pre_run_cell``."""
        if "spark" in self._namespace or not _SPARK.search(str(info.raw_cell)):
            return
        try:
            from pyspark.sql import SparkSession
        except ImportError:
            print("spark: there is no PySpark here: pip install 'openbdc[spark-client]'", file=sys.stderr)  # noqa: T201
            return
        self._namespace["spark"] = SparkSession.builder.getOrCreate()


def load_ipython_extension(shell: Any) -> None:  # noqa: ANN401 - IPython's InteractiveShell
    """``%load_ext bdc.magic``."""
    magic = SqlMagic(shell.user_ns)
    shell.register_magic_function(magic, magic_kind="line_cell", magic_name="sql")
    if os.environ.get("SPARK_REMOTE"):
        shell.events.register("pre_run_cell", SparkByName(shell.user_ns).before_cell)


def unload_ipython_extension(shell: Any) -> None:  # noqa: ANN401 - IPython's InteractiveShell
    """``%unload_ext bdc.magic``: the connection ends, the magic goes."""
    for kind in ("line", "cell"):
        found = shell.magics_manager.magics[kind].pop("sql", None)
        if isinstance(found, SqlMagic):
            found.close()
    for callback in list(shell.events.callbacks["pre_run_cell"]):
        if isinstance(getattr(callback, "__self__", None), SparkByName):
            shell.events.unregister("pre_run_cell", callback)
