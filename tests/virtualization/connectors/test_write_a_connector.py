"""The page "Write a connector": its code blocks, put together, are a connector that passes the suite of all connectors."""

from __future__ import annotations

import pathlib
import re
import sys
import types

import pyarrow as pa
import pytest

from virtualization.catalog import Column, DataSource, MemoryCatalog, VirtualTable
from virtualization.errors import DefinitionError

PAGE = pathlib.Path(__file__).parents[3] / "docs/guide/write-a-connector.md"


def built() -> types.ModuleType:
    """The page's Python as one module."""
    code = "\n\n".join(re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    module = types.ModuleType("write_a_connector_page")
    sys.modules[module.__name__] = module  # dataclasses look their module up
    exec(compile(code, str(PAGE), "exec"), module.__dict__)
    return module


page = built()
folder, connector, broken, TestConformance = page.folder, page.connector, page.broken, page.TestConformance
"""Fixtures and tests for pytest to find here."""


def test_filters_run_on_the_file_and_the_rest_here(folder: pathlib.Path) -> None:
    page.write(folder, "sales", pa.table({"id": pa.array([1, 2, 3, None]), "town": ["a", "B", None, "ä"]}))
    source = DataSource("src", "arrow-files", f"{page.SCHEME}{folder}")
    columns = (Column("id", "bigint"), Column("town", "text"))
    catalog = MemoryCatalog.of([source], [VirtualTable("public", "sales", "src", "sales", columns)])
    engine = page.engine_with_arrow_files()
    try:
        plan = engine.plan("SELECT count(*) AS n FROM sales WHERE id > 1 AND (town = 'B' OR town IS NULL)", catalog)
        assert [fragment.text for fragment in plan.fragments] == ['sales.arrow: id, town where "id" > 1']
        assert pa.Table.from_batches(list(engine.run(plan)))["n"].to_pylist() == [2]
    finally:
        engine.close()


@pytest.mark.parametrize(("location", "options"), [("files:/x", {}), ("arrow-files:x", {}), ("arrow-files:/x", {"nope": "1"})])
def test_a_wrong_definition(location: str, options: dict[str, str]) -> None:
    with pytest.raises(DefinitionError, match="src"):
        page.ArrowFilesConnector(DataSource("src", "arrow-files", location, options))


def test_no_way_out_of_the_folder(folder: pathlib.Path) -> None:
    with pytest.raises(DefinitionError, match="name of a file in the folder"):
        page.ArrowFilesConnector(DataSource("src", "arrow-files", f"{page.SCHEME}{folder}")).detect("../secret", {})
