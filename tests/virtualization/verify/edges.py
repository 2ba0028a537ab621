"""Three PostgreSQL sources whose tables hold the values that are easy to get wrong, as a catalog for the verifier."""

from __future__ import annotations

from tests.services.postgresql import PostgresqlServer
from virtualization.catalog import Column, Credential, DataSource, MemoryCatalog, VirtualTable

KINDS = ("NULL", "'a'", "'A'", "'ab'")


def sale(n: int) -> str:
    """A row of ``sales``."""
    item, amount = "NULL" if n % 11 == 0 else n % 9, "NULL" if n % 7 == 0 else n * 1.25 % 17
    return f"({n}, {item}, {amount}, '2024-0{n % 3 + 1}-{n % 28 + 1:02}', {KINDS[n % 4]}, {n % 5})"


TABLES: dict[str, tuple[str, dict[str, str], list[str]]] = {
    "numbers": (
        "east",
        {"id": "integer", "small": "smallint", "big": "bigint", "price": "numeric(12,2)", "rate": "numeric(9,4)", "free": "numeric",
            "ok": "boolean"},
        [
            "(1, 1, 1, 10.50, 0.1250, 1.5, true)", "(2, -1, -1, -0.01, -0.0050, 1.50, false)",
            "(3, 32767, 9223372036854775807, 9999999999.99, 99999.9999, 1e20, NULL)",
            "(4, -32768, -9223372036854775808, -9999999999.99, 0.0005, 0.00000001, true)", "(5, NULL, NULL, NULL, NULL, NULL, NULL)",
            "(2147483647, 0, 0, 0.00, 0.0000, 0, false)", "(-2147483648, 7, 42, 2.50, 2.5000, 'NaN', true)",
            "(7, 7, 42, 2.50, 3.5000, -7.25, true)",
            "(8, 2, 4, 0.05, 0.1000, 100, false)",
        ],
    ),
    "texts": (
        "east",
        {"id": "integer", "name": "text", "code": "character(4)", "short": "character varying(8)", "ref": "integer"},
        [
            "(1, 'a', 'a', 'A', 1)", "(2, 'A', 'ab', 'a ', 1)", "(3, '', '', '', 2)", "(4, 'a ', 'a b', ' a', 3)",
            "(5, NULL, NULL, NULL, NULL)", "(6, 'a%b', '%', '50%', 7)",
            "(7, 'a_b', '_', 'a_b', 8)", "(8, E'a\\\\b', E'\\\\', E'\\\\%', 42)", "(9, 'Ünïcode ß', 'é', 'straße', 2)",
            "(10, E'tab\\tnl\\n', 'x', '''q\"', 5)",
            "(11, '😀', '日本', 'İ', 7)", "(12, 'ab', 'AB', 'b', 1)",
        ],
    ),
    "Select": (
        "east", {"order": "integer", "from Where": "text", "Ünï": "date", 'q"uote': "bigint"},
        ["(1, 'a', '2024-02-29', 1)", "(2, 'A', '2024-03-31', 42)", "(3, NULL, NULL, NULL)", "(7, 'a ', '0001-01-01', 7)"],
    ),
    "times": (
        "west",
        {"id": "integer", "day": "date", "moment": "timestamp without time zone", "instant": "timestamp with time zone", "who": "text"},
        [
            "(1, '2024-02-29', '2024-02-29 23:59:59.999999', '2024-03-31 01:30:00+01', 'a')",
            "(2, '1999-12-31', '1999-12-31 00:00:00', '2024-10-27 02:30:00+02', 'A')",
            "(3, '0001-01-01', '0001-01-01 00:00:00', '2024-10-27 02:30:00+01', NULL)", "(4, NULL, NULL, NULL, '')",
            "(5, '9999-12-31', '9999-12-31 23:59:59', '1900-01-01 00:00:00+00', 'ab')",
            "(7, '1582-10-15', '1969-12-31 23:59:59.5', '1969-12-31 23:59:59.5+00', 'a')",
            "(8, '2024-03-31', '2024-03-31 02:30:00', '2024-03-31 00:30:00+00', 'a%b')",
            "(8, '2024-02-29', '2024-02-28 12:00:00', '2024-02-29 12:00:00+00', 'a%b')",
        ],
    ),
    "floats": (
        "west",
        {"id": "integer", "double": "double precision", "single": "real", "grp": "text"},
        [
            "(1, 1.5, 1.5, 'a')", "(2, 'NaN', 'NaN', 'a')", "(3, 'Infinity', 'Infinity', 'A')", "(4, '-Infinity', '-Infinity', 'A')",
            "(5, '-0', '-0', '')",
            "(6, 0, 0, '')", "(7, NULL, NULL, NULL)", "(8, 1e-9, 0.1, 'ab')", "(9, -2.5, 2.5, 'ab')",
        ],
    ),
    "nothing": ("south", {"id": "integer", "v": "text"}, []),
    "sales": (
        "south",
        {"id": "integer", "item": "integer", "amount": "numeric(12,2)", "day": "date", "kind": "text", "qty": "integer"},
        [sale(n) for n in range(1, 61)],
    ),
}  # fmt: skip


def scratch(server: PostgresqlServer, prefix: str) -> str:
    """An empty database for executor and copies; its address."""
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {prefix}_scratch".encode())
    return server.dsn(f"{prefix}_scratch")


def fill(server: PostgresqlServer, prefix: str) -> MemoryCatalog:
    """A database for each of the sources, and all tables."""
    login = Credential(server.user, server.password)
    names = sorted({source for source, _, _ in TABLES.values()})
    with server.connect() as connection:
        for name in names:
            connection.execute(f"CREATE DATABASE {prefix}_{name}".encode())
    for name, (source, columns, rows) in TABLES.items():
        with server.connect(f"{prefix}_{source}") as connection:
            definitions = ", ".join(f"{_quoted(column)} {of}" for column, of in columns.items())
            connection.execute(f"CREATE TABLE {_quoted(name)} ({definitions})".encode())
            if rows:
                connection.execute(f"INSERT INTO {_quoted(name)} VALUES {', '.join(rows)}".encode())
            connection.execute("ANALYZE")
    sources = [DataSource(name, "postgresql", f"postgresql://127.0.0.1:{server.port}/{prefix}_{name}", {}, login) for name in names]
    tables = [
        VirtualTable(
            "public", name, source, f"public.{_quoted(name)}", tuple(Column(c, t) for c, t in columns.items()), rows=float(len(rows))
        )
        for name, (source, columns, rows) in TABLES.items()
    ]
    return MemoryCatalog.of(sources, tables)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
