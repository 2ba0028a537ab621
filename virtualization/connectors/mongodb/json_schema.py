"""Columns from a JSON Schema: MongoDB's own form (``$jsonSchema``, with ``bsonType``) or the public one (``type``).

Table option ``json_schema``: ``validator`` (what the collection's own validator says) or the text of a schema. It tells paths and types;
documents need not keep to it, since a validator may warn only: what does not fit is decided by the option ``mismatch``, as always.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from virtualization.connectors.mongodb.client import Client
from virtualization.connectors.mongodb.paths import Path, Place
from virtualization.errors import DefinitionError

OPTION = "json_schema"
VALIDATOR = "validator"
DOCUMENT = "document"
"""The type of an object of which the schema does not tell what is in it."""
_PLAIN = {"integer": "long", "number": "double", "boolean": "bool"}
_BSON = frozenset({"double", "string", "object", "array", "binData", "objectId", "bool", "date", "null", "int", "long", "decimal"})
_DEEPEST = 20


def schema_of(client: Client, where: Place, option: str) -> dict[str, Any]:
    """The schema that the option names; DefinitionError where there is none."""
    found: object = client.validator(where.collection) if option == VALIDATOR else _read(option)
    if isinstance(found, dict) and "$jsonSchema" in found:
        found = found["$jsonSchema"]
    if not isinstance(found, dict) or not isinstance(found.get("properties"), dict):
        whose = f'the validator of collection "{where.collection}"' if option == VALIDATOR else f'option "{OPTION}"'
        raise DefinitionError(f"{whose} is no JSON Schema of a document", hint='It needs "properties", or "$jsonSchema" that has them.')
    return found


def types_of(schema: Mapping[str, Any]) -> Iterator[tuple[Path, Counter[str]]]:
    """Each path with the types that it may have, an object before what is in it; elements of an array under the array's own path, as
    ``$unwind`` shows them (see ``paths``)."""
    yield from _below(schema, ())


def _below(schema: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[Path, Counter[str]]]:
    for name, inner in schema.get("properties", {}).items():
        here = (*above, str(name))
        if not isinstance(inner, dict):
            raise DefinitionError(f'JSON Schema: what is said of "{".".join(here)}" is no object')
        types = _types(inner, here)
        if "object" in types and "properties" not in inner:
            types = [DOCUMENT if name == "object" else name for name in types]
        yield Path(here), Counter(types)
        if "object" in types and len(here) < _DEEPEST:
            yield from _below(inner, here)


def elements(schema: Mapping[str, Any], array: Path) -> dict[str, Any]:
    """``schema`` with the array at ``array`` replaced by one of its elements; DefinitionError where it tells of no such array."""
    name, rest = array.parts[0], array.parts[1:]
    inner = schema.get("properties", {}).get(name)
    if not isinstance(inner, dict):
        raise DefinitionError(f'JSON Schema: it tells of no array "{array.text}"')
    made = elements(inner, Path(rest)) if rest else inner.get("items")
    if not isinstance(made, dict):
        raise DefinitionError(f'JSON Schema: it does not tell what the elements of "{array.text}" are')
    return {**schema, "properties": {**schema["properties"], name: made}}


def _types(schema: Mapping[str, Any], here: tuple[str, ...]) -> list[str]:
    given = schema.get("bsonType", schema.get("type"))
    if given is None:
        return ["object"] if "properties" in schema else ["array"] if "items" in schema else _any_of(schema, here)
    names = given if isinstance(given, list) else [given]
    made = [_PLAIN.get(str(name), str(name)) for name in names]
    strange = [name for name in made if name not in _BSON]
    if strange:
        raise DefinitionError(f'JSON Schema: "{".".join(here)}" is of type "{strange[0]}", of which no column is made')
    return made


def _any_of(schema: Mapping[str, Any], here: tuple[str, ...]) -> list[str]:
    arms: list[Any] = next((schema[name] for name in ("anyOf", "oneOf") if isinstance(schema.get(name), list)), [])
    found = [name for arm in arms if isinstance(arm, dict) for name in _types(arm, here)]
    if not found:
        raise DefinitionError(f'JSON Schema: it does not tell of which type "{".".join(here)}" is')
    return list(dict.fromkeys(found))


def _read(text: str) -> object:
    try:
        made: object = json.loads(text)
    except ValueError as error:
        raise DefinitionError(f'option "{OPTION}": {error}', hint=f'Give "{VALIDATOR}", or the text of a JSON Schema.') from None
    return made
