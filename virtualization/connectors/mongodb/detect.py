"""Columns from sampled documents: each path with the types that were seen there, and how often.

A nested object gives ``a_b`` columns; an array is no column of its own but a table (``collection[array]``). A column gets the type that
holds every value seen without loss, text where nothing else does (with the table's option ``mismatch=text``, so that each is shown).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import bson

from virtualization.binding.naming import unique
from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.mongodb import json_schema
from virtualization.connectors.mongodb.client import Client
from virtualization.connectors.mongodb.paths import INDEX, INDEX_FIELD, Path, Place, place
from virtualization.connectors.mongodb.typed_columns import INDEXES, MIXED, policy_of
from virtualization.connectors.mongodb.types import TEXT
from virtualization.errors import RemoteObjectError
from virtualization.plan import Detected, RemoteObject

DEEPEST = 20
"""Objects nested deeper are one column of type jsonb."""

MOST_COLUMNS = 1000
"""PostgreSQL has at most 1,600; the paths seen most often are taken."""

_OBJECT, _ARRAY, _NULL = "object", "array", "null"
_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "bool"), (bson.Int64, "long"), (int, "int"), (float, "double"), (str, "string"), (bson.ObjectId, "objectId"),
    (bson.Decimal128, "decimal"), (bson.DatetimeMS, "date"), (dict, _OBJECT), (list, _ARRAY), (bytes, "binData"), (type(None), _NULL),
)  # fmt: skip
_TYPES: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"int", "long"}), "bigint"),
    (frozenset({"int", "long", "decimal"}), "numeric"),
    (frozenset({"int", "long", "decimal", "double"}), "double precision"),
    (frozenset({"bool"}), "boolean"),
    (frozenset({"date"}), "timestamp without time zone"),
    (frozenset({"string", "objectId"}), "text"),
    (frozenset({"binData"}), "bytea"),
    (frozenset({json_schema.DOCUMENT}), "jsonb"),
)


@dataclass
class Evidence:
    """What was seen at one path: how many values of which type (of the documents, or elements, that were looked at)."""

    path: Path
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def values(self) -> Counter[str]:
        """Without nulls."""
        return Counter({name: count for name, count in self.seen.items() if name != _NULL})


def type_name(value: object) -> str:
    """As ``$type`` names it; the class's name for what a column is never made of."""
    if type(value).__name__ == "datetime":
        return "date"
    return next((name for of, name in _NAMES if isinstance(value, of)), type(value).__name__)


def evidence(documents: Sequence[Mapping[str, Any]]) -> list[Evidence]:
    """Of every path, in the order in which they were first seen; a path is below another when that holds objects."""
    found: dict[tuple[str, ...], Evidence] = {}
    for document in documents:
        _look(document, (), found)
    return list(found.values())


def _look(value: Mapping[str, Any], above: tuple[str, ...], found: dict[tuple[str, ...], Evidence]) -> None:
    for name, inner in value.items():
        here = (*above, name)
        found.setdefault(here, Evidence(Path(here))).seen[type_name(inner)] += 1
        if isinstance(inner, dict) and len(here) < DEEPEST:
            _look(inner, here, found)


def objects(client: Client, schema: str | None) -> list[RemoteObject]:
    """Collections, and the arrays seen in their sampled documents."""
    database = client.settings.database
    if schema is not None and schema != database:
        raise RemoteObjectError(
            f'data source "{client.settings.source}" shows database "{database}", not "{schema}"', hint="Make a source for each database."
        )
    made = []
    for one in client.collections():
        name, kind = str(one["name"]), str(one["type"])
        made.append(RemoteObject(database, name, name, kind))
        made += [
            RemoteObject(database, "_".join((name, *array.parts)), f"{name}[{array.text}]", _ARRAY)
            for array in _arrays(_sampled(client, Place(name)))
        ]
    return made


def detect(client: Client, location: str, options: Mapping[str, str]) -> Detected:
    """Columns and options of a table over ``location``."""
    policy_of(VirtualTable("", location, "", location, (), options))
    where = place(location)
    client.collation(where.collection)  # is it there?
    given = options.get(json_schema.OPTION)
    told, looked_at = (_declared(client, where, given), 0) if given is not None else _seen(client, where)
    found = list(_own(told, where))
    nameless = tuple(
        (one.path.text, "/".join(one.values), "a field without a name can't be asked for") for one in found if "" in one.path.parts
    )
    named = [one for one in found if "" not in one.path.parts]
    if len(named) > MOST_COLUMNS:
        why = f"of {len(named):,} paths the {MOST_COLUMNS:,} seen most often are taken; give the columns to have others"
        nameless += (("columns beyond the limit", "", why),)
    columns, mixed = _columns(named, where)
    made = dict(options)
    if mixed and "mismatch" not in made:
        made["mismatch"] = TEXT
    if mixed and made["mismatch"] == TEXT and not any("," in path for path in mixed):
        made[MIXED] = ",".join(mixed)
    indexed = [path for path in client.indexed(where.collection) if path != "_id" and "," not in path]
    if indexed or INDEXES in made:
        made[INDEXES] = ",".join(indexed)
    rows = client.estimated(where.collection) if not where.arrays else None
    return Detected(columns, made, rows, nameless, seen=_shares(columns, found, looked_at))


def _seen(client: Client, where: Place) -> tuple[list[Evidence], int]:
    """Of sampled documents, and how many there were."""
    documents = _sampled(client, where)
    if not documents:
        raise RemoteObjectError(
            f"{client.where(where.collection)} has no document{' with such an array' if where.arrays else ''} to detect columns by",
            hint="Give the columns, or insert a document first.",
        )
    return evidence(documents), len(documents)


def _declared(client: Client, where: Place, option: str) -> list[Evidence]:
    """What a JSON Schema tells, in the form of what is seen in documents."""
    schema = json_schema.schema_of(client, where, option)
    for array in where.arrays:
        schema = json_schema.elements(schema, array)
    found = [Evidence(path, types) for path, types in json_schema.types_of(schema)]
    if not any(one.path.parts == ("_id",) for one in found):
        found.insert(0, Evidence(Path(("_id",)), Counter({"objectId": 1})))
    return found


def _shares(columns: Sequence[Column], found: Sequence[Evidence], looked_at: int) -> dict[str, str]:
    """Which types were seen at a column's path, in how many of a hundred of the documents (or elements) looked at."""
    if not looked_at:
        return {}
    known = {one.path.text: one for one in found}
    made = {}
    for column in columns:
        one = known.get(column.remote_name)
        if one is not None:
            counts = [*one.seen.most_common(), ("missing", looked_at - sum(one.seen.values()))]
            shares = ", ".join(f"{name} {100 * count / looked_at:.3g} %" for name, count in counts if count)
            made[column.name] = f"{shares} of {looked_at}"
    return made


def _sampled(client: Client, where: Place) -> list[dict[str, Any]]:
    """Documents from all over the collection where it is big, with the arrays taken apart."""
    size = client.settings.sample
    first: list[dict[str, Any]] = [{"$match": {array.dotted: {"$type": "array"}}} for array in where.arrays[:1]]
    total = client.estimated(where.collection)
    pick: dict[str, Any] = {"$sample": {"size": size}} if total is not None and total > 2 * size else {"$limit": size}
    return client.documents(where.collection, [*first, pick, *where.stages, {"$limit": size}])


def _arrays(documents: Sequence[Mapping[str, Any]]) -> list[Path]:
    return [one.path for one in evidence(documents) if one.seen[_ARRAY] and one.path.is_plain and not set("[]") & set(one.path.dotted)]


def _columns(found: Sequence[Evidence], where: Place) -> tuple[tuple[Column, ...], list[str]]:
    """The table's columns, and the paths of those that hold values of types that only text holds together."""
    taken = sorted(found, key=lambda one: -sum(one.seen.values()))[:MOST_COLUMNS]
    order = {id(one): number for number, one in enumerate(found)}
    types = [(one, _type(one)) for one in sorted(taken, key=lambda one: order[id(one)])]
    named = [("_".join(one.path.parts), one.path.text, type_ or "text") for one, type_ in types]
    named += [("_".join((*array.parts, "index")), array.text + INDEX, "bigint") for array in where.arrays]
    names = unique([_short(name) for name, _, _ in named])
    columns = [Column(name, declared, True, remote) for name, (_, remote, declared) in zip(names, named, strict=True)]
    return tuple(columns), [one.path.text for one, type_ in types if type_ is None]


def _own(found: Sequence[Evidence], where: Place) -> Iterator[Evidence]:
    """Of a table of documents: all paths that hold values. Of a table of elements: the parent's key, and what is inside an element."""
    inside = where.arrays[-1].parts if where.arrays else ()
    for one in found:
        if one.path.parts[0].startswith(INDEX_FIELD):
            continue
        if inside and one.path.parts != ("_id",) and one.path.parts[: len(inside)] != inside:
            continue
        values = set(one.values)
        if not values <= {_OBJECT, _ARRAY} or not values or (_OBJECT in values and len(one.path.parts) >= DEEPEST):
            yield one


def _type(one: Evidence) -> str | None:
    """The narrowest type that holds all values seen; None: only text does."""
    values = set(one.values)
    if not values:
        return "text"
    if values == {_OBJECT}:
        return "jsonb"
    return next((declared for held, declared in _TYPES if values <= held), None)


def _short(name: str) -> str:
    """What PostgreSQL takes as a name: at most 63 bytes."""
    return name.encode()[:60].decode(errors="ignore") if len(name.encode()) > 63 else name or "_"
