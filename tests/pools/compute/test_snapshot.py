"""What a catalog's version tells apart: plans are cached by it."""

from __future__ import annotations

import pytest

from pools.compute.snapshot import Snapshot, read

PATHS = [("pg_catalog",), ("a", "b"), ("a,b",), ("a|b",)]


def catalog(database: str, version: int) -> Snapshot:
    return read(
        {"database": database, "identity": "00000000-0000-0000-0000-000000000000", "version": str(version)}, lambda sealed, *_: sealed
    )


@pytest.mark.parametrize("database", ["sales", "sales|eu", "a:b", ""])
def test_another_catalog_is_another_version_along_any_path(database: str) -> None:
    assert len({catalog(database, version).along(path).version for version in (1, 2) for path in PATHS}) == 2 * len(PATHS)


def test_databases_do_not_share_versions() -> None:
    assert catalog("sales|eu", 1).along(("x",)).version != catalog("sales|us", 1).along(("x",)).version


def test_a_path_may_be_changed_again() -> None:
    once, again = catalog("sales", 1).along(("x",)), catalog("sales", 1).along(("y",)).along(("z",)).along(("x",))
    assert once == again
