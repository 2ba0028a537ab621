"""The options of ``spark.read.format("bdc")``: read once, checked as a whole, never ignored.

Names are case-insensitive, as everywhere in Spark. An option that this version can't carry out is refused with the reason: a load
that runs with an option nobody looked at is worse than one that doesn't start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pyspark_bdc.addresses import DEFAULT_DATABASE, DEFAULT_PORT, TLS_SETTINGS, Address, of_the_cluster, parse_url
from pyspark_bdc.errors import OptionError
from pyspark_bdc.names import identifiers, quoted_table
from pyspark_bdc.refusals import REFUSED

ACCEPTED = (
    "columns", "database", "dbtable", "flight", "host", "lowerBound", "numPartitions", "partitionColumn", "password", "port",
    "pushDownPredicate", "query", "readFrom", "relay", "sslcert", "sslkey", "sslmode", "sslrootcert", "unconstrainedNumeric",
    "upperBound", "url", "user",
)  # fmt: skip
_RANGE = ("partitionColumn", "lowerBound", "upperBound", "numPartitions")
_DECIMAL = re.compile(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)")


@dataclass(frozen=True)
class Range:
    """How to cut a table into partitions by one column; the bounds are texts until the column's type is known."""

    column: str
    lower: str
    upper: str
    count: int


@dataclass(frozen=True)
class Options:
    """All options of one load."""

    address: Address
    relation: str
    """What stands behind FROM: a quoted table name, or the query in parentheses."""
    unconstrained_numeric: tuple[int, int] | None = (38, 18)
    """Precision and scale of what the server calls just ``numeric``; None: read it as string."""
    push_filters: bool = False
    range: Range | None = field(default=None)
    is_query: bool = False
    """Is ``relation`` a query, not a table?"""
    read_from: str = "auto"
    """Tables of the data pool: ``shards``, through the master by ``sql``, or (auto) from the shards where they can give the rows."""
    relay: str = "auto"
    """Shards' streams through the compute pool: auto (where they can't be reached from here), always, never."""
    flight: str | None = None
    """``host:port`` of a coordinator where the address that the master tells can't be reached."""
    columns: tuple[str, ...] = ()
    """Those that are wanted, in this order; none: all. Spark itself tells Python sources of no columns that it can do without."""


def parse(given: Mapping[str, str]) -> Options:
    """Check and take over the options as Spark hands them over. OptionError says which one and why."""
    options = {key.lower(): value for key, value in given.items()}
    _refuse_unknown(options)
    return Options(
        address=_address(options),
        relation=_relation(options),
        unconstrained_numeric=_numeric(options.get("unconstrainednumeric", "decimal(38,18)")),
        push_filters=boolean("pushDownPredicate", options.get("pushdownpredicate", "false")),
        range=_range(options),
        is_query="query" in options,
        read_from=one_of(options, "readFrom", ("auto", "sql", "shards")) or "auto",
        relay=one_of(options, "relay", ("auto", "always", "never")) or "auto",
        flight=options.get("flight"),
        columns=identifiers("columns", options.get("columns", "")),
    )


def _refuse_unknown(options: Mapping[str, str]) -> None:
    accepted = {name.lower() for name in ACCEPTED}
    for name in options:
        if name in accepted:
            continue
        if name in REFUSED:
            raise OptionError(f"option {REFUSED[name].name}: {REFUSED[name].why}", REFUSED[name].hint)
        raise OptionError(f"unknown option {name!r}", f"known are {', '.join(ACCEPTED)}")


def _address(options: Mapping[str, str]) -> Address:
    parts = parse_url(options["url"]) if "url" in options else {}
    for name in ("host", "port", "database"):
        if parts and name in options:
            raise OptionError(f"options url and {name} both say where the server is", f"leave {name} to the url")
    for name in ("host", "port", "database", "user", "password", *TLS_SETTINGS):
        if name in options:
            if parts.get(name, options[name]) != options[name]:
                raise OptionError(f"option {name} and the url differ", "give it once")
            parts[name] = options[name]
    if not parts.get("host"):
        parts = {**of_the_cluster(), **parts}
    for name in ("host", "user"):
        if not parts.get(name):
            raise OptionError(f"option {name} is missing", 'e.g. .option("host", "127.0.0.1").option("user", "ann"), or a url')
    return Address(
        host=parts["host"],
        port=count("port", parts.get("port", str(DEFAULT_PORT)), 65535),
        database=parts.get("database", DEFAULT_DATABASE),
        user=parts["user"],
        password=parts.get("password"),
        tls=tuple((name, parts[name]) for name in TLS_SETTINGS if name in parts),
    )


def _relation(options: Mapping[str, str]) -> str:
    table, query = options.get("dbtable", ""), options.get("query", "")
    if bool(table.strip()) == bool(query.strip()):
        raise OptionError("exactly one of the options dbtable and query is needed", 'e.g. .option("dbtable", "public.house")')
    if table:
        return quoted_table(table)
    text = query.strip().removesuffix(";").rstrip()
    return f"(\n{text}\n) AS bdc_query"  # lines of their own: the query may end with a comment


def _numeric(text: str) -> tuple[int, int] | None:
    if text.strip().lower() == "string":
        return None
    found = _DECIMAL.fullmatch(text.strip().lower())
    if not found or not 1 <= int(found[1]) <= 38 or int(found[2]) > int(found[1]):
        raise OptionError(f"option unconstrainedNumeric: {text!r}", "write string, or decimal(p,s) with p up to 38 and s up to p")
    return int(found[1]), int(found[2])


def boolean(name: str, text: str) -> bool:
    """true or false, in any case."""
    if text.strip().lower() not in ("true", "false"):
        raise OptionError(f"option {name}: {text!r} is neither true nor false")
    return text.strip().lower() == "true"


def one_of(options: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str | None:
    """The option's value as ``allowed`` spells it (any case is taken); None where it is not given."""
    value = options.get(name.lower())
    if value is None:
        return None
    for one in allowed:
        if value.strip().lower() == one.lower():
            return one
    raise OptionError(f"option {name}: {value!r} is none of {', '.join(allowed)}")


def count(name: str, text: str, most: int) -> int:
    """A number from 1 to ``most``."""
    if not text.strip().isascii() or not text.strip().isdigit() or not 1 <= int(text) <= most:
        raise OptionError(f"option {name}: {text!r} is no number from 1 to {most}")
    return int(text)


def _range(options: Mapping[str, str]) -> Range | None:
    missing = [name for name in _RANGE if name.lower() not in options]
    if len(missing) == len(_RANGE):
        return None
    if missing:
        raise OptionError(f"{', '.join(_RANGE)} belong together; missing: {', '.join(missing)}")
    column, lower, upper, pieces = (options[name.lower()] for name in _RANGE)
    return Range(column, lower, upper, count("numPartitions", pieces, 10_000))
