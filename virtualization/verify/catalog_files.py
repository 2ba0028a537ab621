"""A catalog in a JSON file, for ``python -m virtualization.verify``:

    {"sources": [{"name": "crm", "connector": "postgresql", "location": "postgresql://db.example/crm",
                  "options": {}, "user": "reader", "password_variable": "CRM_PASSWORD"}],
     "tables": [{"schema": "public", "name": "orders", "source": "crm", "location": "public.orders",
                 "columns": [{"name": "id", "type": "integer"}], "options": {}}]}

Columns that are not given are detected at the source. Passwords stay in the environment.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from virtualization.catalog import Column, Credential, DataSource, MemoryCatalog, VirtualTable
from virtualization.engine import Engine
from virtualization.errors import DefinitionError


def read_catalog(path: pathlib.Path, engine: Engine) -> MemoryCatalog:
    """DefinitionError says what is wrong with the file."""
    try:
        content = json.loads(path.read_text())
        sources = {entry["name"]: _source(entry) for entry in content["sources"]}
        tables = [_table(entry, sources, engine) for entry in content["tables"]]
    except (OSError, ValueError) as error:
        raise DefinitionError(f"{path}: {error}") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise DefinitionError(
            f"{path}: missing or misplaced: {error}", hint="See the docstring of virtualization.verify.catalog_files."
        ) from None
    return MemoryCatalog.of(sources.values(), tables)


def _source(entry: Mapping[str, Any]) -> DataSource:
    variable = entry.get("password_variable")
    secret = None if variable is None else os.environ.get(variable)
    if variable is not None and secret is None:
        raise DefinitionError(f"the password of source {entry['name']} should be in the environment as {variable}")
    credential = Credential(entry.get("user"), secret)
    return DataSource(entry["name"], entry["connector"], entry["location"], dict(entry.get("options") or {}), credential)


def _table(entry: Mapping[str, Any], sources: Mapping[str, DataSource], engine: Engine) -> VirtualTable:
    options = dict(entry.get("options") or {})
    columns = tuple(Column(c["name"], c["type"], c.get("nullable", True), c.get("remote")) for c in entry.get("columns") or ())
    if not columns:
        detected = engine.connector(sources[entry["source"]]).detect(entry["location"], options)
        columns, options = detected.columns, {**detected.options, **options}
    return VirtualTable(entry.get("schema", "public"), entry["name"], entry["source"], entry["location"], columns, options)
