"""How ``bdc data export`` writes a table as CSV, to HDFS or to this machine: one query, so one state of all shards; the file appears under
its name when it is complete. The bytes pass through the client, which has no Parquet writer: large exports are Spark's."""

from __future__ import annotations

import pathlib
import secrets
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from bdc.errors import ConflictError, NotFoundError, UserError

if TYPE_CHECKING:
    import psycopg

ROWS = 5000
"""Joined to one block."""

SUFFIXES = (".csv", ".csv.gz")


def csv_blocks(connection: psycopg.Connection[Any], relation: str, place: str) -> Iterator[bytes]:
    """The table (its name as SQL writes it) as CSV with a line of names, compressed where ``place`` ends with ``.gz``."""
    from bdc.sql import translated

    if not place.endswith(SUFFIXES):
        raise UserError(
            f"{place} is neither .csv nor .csv.gz", hint="Parquet is written into HDFS: bdc data export TABLE hdfs:/FOLDER --format parquet"
        )
    with (
        translated(),
        connection.cursor() as cursor,
        cursor.copy(f"COPY (SELECT * FROM {relation}) TO STDOUT (FORMAT csv, HEADER)".encode()) as copy,
    ):
        rows = iter(copy)
        blocks = iter(lambda: b"".join(islice(rows, ROWS)), b"")
        yield from (_compressed(blocks) if place.endswith(".gz") else blocks)


def _compressed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for block in blocks:
        if packed := packer.compress(block):
            yield packed
    yield packer.flush()


def write_locally(target: pathlib.Path, blocks: Iterable[bytes], force: bool, progress: Callable[[str, int], None]) -> int:
    """The file's size in bytes; ConflictError when it exists and ``force`` is not given, NotFoundError where its folder is missing."""
    if not target.parent.is_dir():
        raise NotFoundError(f"there is no folder {target.parent}", where=str(target), hint="make it first, or name another file")
    if target.exists() and not force:
        raise ConflictError(f"{target} exists already", hint="add --force to replace it")
    part = target.with_name(f"._COPYING_{secrets.token_hex(4)}_{target.name}")
    count = 0
    try:
        with part.open("xb") as file:
            for block in blocks:
                count += file.write(block)
                progress(str(target), len(block))
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return count
