"""The definitions of an HDFS source and of a table of files, checked."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from virtualization.catalog import DataSource, VirtualTable
from virtualization.errors import DefinitionError

SOURCE_OPTIONS = ("timeout", "user")
TABLE_OPTIONS = (
    "date_format", "delimiter", "encoding", "escape", "first_row", "format", "header", "null", "partitions", "quote", "timestamp_format",
)  # fmt: skip
_ALIASES = {"field_terminator": "delimiter", "string_delimiter": "quote", "date_time_format": "timestamp_format"}
_ENCODINGS = {"utf-8": "utf-8", "utf8": "utf-8", "latin-1": "latin-1", "iso-8859-1": "latin-1", "utf-16": "utf-16"}
_EXTENSIONS = {
    ".csv": "csv", ".csv.gz": "csv", ".csv.zst": "csv", ".tsv": "csv", ".txt": "csv",
    ".parquet": "parquet", ".parq": "parquet", ".pq": "parquet",
}  # fmt: skip
_WORDS = {"on": True, "true": True, "yes": True, "1": True, "off": False, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Settings:
    """A checked source."""

    source: str
    host: str
    port: int
    user: str
    """The name that HDFS checks permissions for (simple authentication)."""

    timeout: float = 10.0
    """Seconds for one request to the NameNode."""


def settings(source: DataSource) -> Settings:
    """Check ``source``; DefinitionError names the option or the part of the location."""
    try:
        url = urllib.parse.urlsplit(source.location)
        port = url.port or 8020
    except ValueError as error:
        raise DefinitionError(f'data source "{source.name}": location must be hdfs://host:port: {error}') from None
    if url.scheme != "hdfs" or not url.hostname or url.username or url.password or url.path not in ("", "/") or url.query:
        raise DefinitionError(f'data source "{source.name}": location must be hdfs://host:port', hint="Paths belong to the tables.")
    for name in source.options:
        if name not in SOURCE_OPTIONS:
            known = ", ".join(SOURCE_OPTIONS)
            raise DefinitionError(f'data source "{source.name}": unknown option "{name}"', hint=f"Known options: {known}.")
    try:
        timeout = float(source.options.get("timeout", "10"))
        if not 0.1 <= timeout <= 3600:
            raise ValueError("out of range")
    except ValueError:
        raise DefinitionError(f'data source "{source.name}": option "timeout" must be seconds between 0.1 and 3600') from None
    return Settings(source.name, url.hostname, port, source.options.get("user") or source.credential.user or "openbdc", timeout)


@dataclass(frozen=True)
class FileFormat:
    """How a table's files are read."""

    format: str
    header: bool = True
    delimiter: str = ","
    quote: str = '"'
    escape: str = '"'
    null: str | None = None
    """A further word that stands for NULL where it is not quoted; an empty unquoted value always does."""

    date_format: str | None = None
    """As ``strptime`` has it, e.g. ``%d.%m.%Y``; None: ISO."""

    timestamp_format: str | None = None
    encoding: str = "utf-8"
    first_row: int = 1
    """The line that reading begins with (the header's, where there is one)."""

    partitions: tuple[str, ...] = ()
    """Columns that are folders (``year=2024``), not in the files."""


def format_of_path(path: str) -> str | None:
    """By extension."""
    name = path.lower()
    return next((kind for extension, kind in _EXTENSIONS.items() if name.endswith(extension)), None)


def table_format(table: VirtualTable, path: str) -> FileFormat:
    """Of a virtual table whose files look like ``path``."""
    return file_format(table.options, path, f'virtual table "{table.schema}.{table.name}"')


def file_format(given: Mapping[str, str], path: str, where: str) -> FileFormat:
    """Check table options; DefinitionError names the bad one."""
    options = {_ALIASES.get(name.lower(), name.lower()): str(value) for name, value in given.items()}
    for name in options:
        if name not in TABLE_OPTIONS:
            raise DefinitionError(f'{where}: unknown option "{name}"', hint=f"Known options: {', '.join(TABLE_OPTIONS)}.")
    kind = options.get("format", "").lower() or format_of_path(path)
    if kind not in ("csv", "parquet"):
        raise DefinitionError(f'{where}: the format of "{path}" is not known', hint="Set the option format to csv or parquet.")
    quote = options.get("quote", '"')
    return FileFormat(
        format=kind,
        header=_switch(options, "header", where),
        delimiter=_delimiter(options.get("delimiter") or ("\t" if path.lower().endswith(".tsv") else ","), where),
        quote=_one_character(quote, "quote", where),
        escape=_one_character(options.get("escape", quote), "escape", where),
        null=options.get("null") or None,
        date_format=options.get("date_format") or None,
        timestamp_format=options.get("timestamp_format") or None,
        encoding=_encoding(options.get("encoding", "utf-8"), where),
        first_row=_first_row(options.get("first_row", "1"), where),
        partitions=tuple(part.strip() for part in options.get("partitions", "").split(",") if part.strip()),
    )


def _switch(options: Mapping[str, str], name: str, where: str) -> bool:
    text = options.get(name, "true").lower()
    if text not in _WORDS:
        raise DefinitionError(f'{where}: option "{name}" is "{text}", not true or false')
    return _WORDS[text]


def _delimiter(text: str, where: str) -> str:
    text = {"\\t": "\t", "tab": "\t"}.get(text, text)
    if len(text.encode()) > 4 or "\n" in text or "\r" in text:
        raise DefinitionError(f'{where}: option "delimiter" must be one to four bytes without line ends')
    return text


def _one_character(text: str, name: str, where: str) -> str:
    if len(text) > 1 or text in ("\n", "\r"):
        raise DefinitionError(f'{where}: option "{name}" must be one character, or empty for none')
    return text


def _encoding(text: str, where: str) -> str:
    if text.lower() not in _ENCODINGS:
        raise DefinitionError(f'{where}: option "encoding" is "{text}"', hint="Known encodings: utf-8, latin-1, utf-16.")
    return _ENCODINGS[text.lower()]


def _first_row(text: str, where: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise DefinitionError(f'{where}: option "first_row" is "{text}", not a line number from 1 on')
    return int(text)
