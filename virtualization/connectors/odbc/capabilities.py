"""What is known of a driver and the product behind it: one TOML file each in ``drivers``, as data.

A family is a kind of declared type that values are compared, ordered and carried alike by. Each has a table in the file with what makes its
values mean the same there as in PostgreSQL; a family without one is carried in the generic way, and nothing of it runs at the source.
Templates: ``{c}`` the column, ``{v}`` a value, ``{name}`` the column's name in a text, ``{s}`` a decimal's digits after the point.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib.resources
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from virtualization.types import PgType

FAMILIES = ("integer", "decimal", "numeric", "real", "double", "text", "date", "timestamp", "instant", "time", "boolean", "bytes", "other")
FETCHED = ("text", "int64", "double", "binary")
_BY_NAME = {
    "smallint": "integer", "integer": "integer", "bigint": "integer", "real": "real", "double precision": "double", "text": "text",
    "character varying": "text", "name": "text", "date": "date", "timestamp without time zone": "timestamp",
    "timestamp with time zone": "instant", "time without time zone": "time", "boolean": "boolean", "bytea": "bytes",
}  # fmt: skip
_GENERIC_FETCH = {"real": "double", "double": "double", "bytes": "binary"}


def family(of: PgType) -> str:
    """Of a declared type."""
    if of.array:
        return "other"
    if of.name == "numeric":
        return "numeric" if of.travels_as_text else "decimal"
    return _BY_NAME.get(of.name, "other")


@dataclass(frozen=True)
class Form:
    """How values of one family are handled."""

    remote: tuple[str, ...] = ()
    """Names of the remote types (upper case, without digits) whose values compare there as here; others stay here."""

    value: str = "{c}"
    """The column's value; may end the statement in an error where it is none of the declared type."""

    exact: str = "{v}"
    """The value as it is compared, ordered and grouped by."""

    equal: str | None = None
    """For ``=`` with a constant ``{k}``, an index's chance: true where ``exact`` is equal, maybe elsewhere; it is added to that."""

    sent: str = "{v}"
    """As it travels (``{c}``: the bare column, where it is one)."""

    fetched: str | None = None
    """One of FETCHED; None: the generic way."""

    constant: str = "{}"
    """A constant in its plain form."""

    digits: int = 60
    """Of a constant, at most."""

    calculated: tuple[str, ...] = ()
    """Of ``remote``, those with whose values one calculates there as here (as long as the result is in range); empty: nothing is."""

    groups: bool = True
    """May be grouped by and counted distinct: equal values look the same."""

    orders: bool = True
    """Is the order of ``exact`` PostgreSQL's? Else only equality is asked for."""


@dataclass(frozen=True)
class Capabilities:
    """One file."""

    name: str
    drivers: tuple[str, ...] = ()
    """Globs over the driver's file name as it gives it (SQL_DRIVER_NAME), lower case."""

    products: tuple[str, ...] = ()
    """Globs over SQL_DBMS_NAME."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    """Of the connection string where the location says nothing."""

    refused_attributes: tuple[str, ...] = ()
    """Lower case: those that load libraries, read files or run statements."""

    statements: tuple[str, ...] = ()
    """Run in each new session: they fix whatever answers depend on."""

    session: str | None = None
    """A SELECT of the session's number."""

    cancel: str | None = None
    """A statement that ends what session ``{session}`` runs, from another one."""

    reads_only: bool = False
    """Do ``statements`` keep a session from writing?"""

    dialect: str = ""
    """sqlglot's name for the product's SQL; empty: the standard's."""

    limit: str = "limit"
    """``limit``: LIMIT n OFFSET m; ``fetch``: OFFSET m ROWS FETCH NEXT n ROWS ONLY."""

    nulls: str = "smallest"
    """``smallest``: below all values, and the place is forced by a second key; ``written``: NULLS FIRST | LAST is understood."""

    joins: tuple[str, ...] = ("inner", "left", "right", "cross")
    like_signs: str = "%_"
    """Signs with a meaning in LIKE, besides the escape."""

    like: bool = True
    odd_text: str | None = None
    """A text constant with other than plain letters, from ``{hex}`` of its UTF-8 (``{hex16}``: UTF-16LE); None: quotes are doubled."""

    sums: Mapping[str, str] = field(default_factory=dict)
    """By family, where sums are exact there: SQL over ``{}`` (``integer``: of bigint only where ``wide_sums``)."""

    wide_sums: bool = False
    averages: bool = False
    """Are averages the same, digit by digit?"""

    counted: str = "COUNT({})"
    functions: Mapping[str, str] = field(default_factory=dict)
    """SQL of what means the same there, over ``{0}``, ``{1}`` …, by the names of ``functions.NAMES``; what is not here stays here."""

    most_digits: int = 0
    """Digits of an exact number at most; 0: nothing is calculated."""

    truth: str = "CASE WHEN {0} THEN 1 WHEN NOT ({0}) THEN 0 END"
    """A condition as a value."""

    in_query_unknown: bool = True
    """Is ``x IN (SELECT …)`` unknown wherever the standard says so, never false?"""

    sub_queries: bool = False
    """In FROM, WITH, IN, EXISTS, and as a value where they give one row for sure."""

    one_row_checked: bool = False
    """Is a sub-query that is a value, and gives several rows, an error there?"""

    windows: bool = False
    set_operations: tuple[str, ...] = ()
    """Of ``union all``, ``union``, ``intersect``, ``except``."""

    sent_texts: str = "any"
    """``columns``: computed texts would be cut off on their way, so only bare columns are asked for."""

    typed: bool = False
    """Does the driver tell an answer's columns by their own types, and does a cast there make some number of any text? Then a column
    goes without one, and what is no number comes as text."""

    any_type: bool = False
    """May types without a family of their own be declared: does the product send PostgreSQL's texts?"""

    types: Mapping[str, str] = field(default_factory=dict)
    """Remote type name -> declared type, before the generic map; ``{p}`` and ``{s}``: size and digits."""

    bare_keys: bool = False
    """May a group's select list hold the bare column beside a key over it (equal keys: equal values)?"""

    unsized: str = "numeric"
    """The declared type of a decimal without digits."""

    unsized_as: tuple[int, ...] = ()
    """Size and digits that the driver tells of one."""

    forms: Mapping[str, Form] = field(default_factory=dict)

    def form(self, name: str) -> Form:
        """Of a family; the generic one where the file has none."""
        return self.forms.get(name, _GENERIC)

    def fetched(self, name: str) -> str:
        """How values of a family are read from the driver."""
        return self.form(name).fetched or _GENERIC_FETCH.get(name, "text")

    @property
    def knows(self) -> bool:
        """Is there a file for this driver?"""
        return self.name != UNKNOWN.name


_GENERIC = Form()
UNKNOWN = Capabilities("unknown")


def capabilities(driver: str, product: str) -> Capabilities:
    """Of the driver that calls itself ``driver``, over ``product``; UNKNOWN where no file is for both."""
    for one in known():
        if _any(one.drivers, driver.lower()) and _any(one.products, product):
            return one
    return UNKNOWN


def _any(globs: tuple[str, ...], name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)


@functools.cache
def known() -> tuple[Capabilities, ...]:
    """All files."""
    folder = importlib.resources.files(__package__) / "drivers"
    files = sorted((one for one in folder.iterdir() if one.name.endswith(".toml")), key=lambda one: one.name)
    return tuple(read(one.name.removesuffix(".toml"), tomllib.loads(one.read_text("utf-8"))) for one in files)


@functools.cache
def refused_attributes() -> frozenset[str]:
    """Of all files."""
    return frozenset(name for one in known() for name in one.refused_attributes)


def read(name: str, document: Mapping[str, Any]) -> Capabilities:
    """Of one file's content; ValueError for a key that is none."""
    forms = {key: Form(**_arguments(Form, value)) for key, value in document.items() if key in FAMILIES}
    wrong = [form.fetched for form in forms.values() if form.fetched not in (None, *FETCHED)]
    if wrong:
        raise ValueError(f"{name}: fetched is one of {', '.join(FETCHED)}, not {wrong[0]}")
    return Capabilities(name=name, forms=forms, **_arguments(Capabilities, {k: v for k, v in document.items() if k not in FAMILIES}))


def _arguments(of: type, given: Mapping[str, Any]) -> dict[str, Any]:
    known_names = {one.name for one in fields(of)} - {"name", "forms"}
    unknown = sorted(set(given) - known_names)
    if unknown:
        raise ValueError(f"unknown keys: {', '.join(unknown)}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
