"""What commands return when plain data (objects, lists, text) does not say enough. ``azdata_like_cli.output`` writes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """Base of what commands return when plain data does not say enough. ``exit_code``: what the command ends with."""

    exit_code: int = 0


@dataclass(frozen=True)
class Value(Answer):
    """Data, with a sentence for table mode where that reads better."""

    data: object = None
    sentence: str | None = None


@dataclass(frozen=True)
class Records(Answer):
    """A list of objects; a table shows ``columns`` (key → title) only."""

    rows: Sequence[Mapping[str, object]] = ()
    columns: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Report(Answer):
    """Data for programs, and blocks (title, records) for people."""

    data: object = None
    blocks: Sequence[tuple[str, Records]] = ()


@dataclass(frozen=True)
class Lines(Answer):
    """Text line by line, written as it comes: plans, logs. JSON: a list; with ``endless`` one JSON string per line."""

    lines: Iterable[str] = ()
    endless: bool = False


@dataclass(frozen=True)
class Bytes(Answer):
    """A file's content, passed on as it is."""

    blocks: Iterable[bytes] = ()


@dataclass(frozen=True)
class SqlRows(Answer):
    """A streamed SQL result: ``kinds`` per column (``number``, ``bool``, ``json``, ``text``), cells as PostgreSQL wrote them."""

    names: Sequence[str] = ()
    kinds: Sequence[str] = ()
    rows: Iterable[Sequence[str | None]] = ()


@dataclass(frozen=True)
class Several(Answer):
    """The results of a text with SQL, each written before the next is asked for. ``listed``: the text holds several statements, so JSON,
    YAML and ``--query`` get a list with one element per result; else the only result itself."""

    answers: Iterable[SqlRows] = ()
    listed: bool = False
