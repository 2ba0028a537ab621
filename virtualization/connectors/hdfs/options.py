"""The definitions of an HDFS source and of a table of files, checked."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from virtualization.catalog import DataSource, VirtualTable
from virtualization.connectors.hdfs.date_formats import strptime_format
from virtualization.errors import DefinitionError

SOURCE_OPTIONS = ("cache_mb", "pushdown", "timeout", "user")
TABLE_OPTIONS = (
    "date_format", "delimiter", "encoding", "escape", "first_row", "format", "header", "null", "partitions", "pushdown", "quote",
    "reject_sample_value", "reject_type", "reject_value", "rejected_of", "timestamp_format", "version",
)  # fmt: skip
FORMATS = ("avro", "csv", "delta", "json", "orc", "parquet")
TEXTS = ("csv", "json")
"""Formats whose values are texts, read as PostgreSQL reads its input; rows of these can be rejected."""

STREAMED = ("avro", "orc")
"""Formats that DuckDB does not read itself: Arrow batches are streamed into it."""

_ALIASES = {"field_terminator": "delimiter", "string_delimiter": "quote", "date_time_format": "timestamp_format"}
_FORMAT_ALIASES = {"jsonl": "json", "ndjson": "json", "delimitedtext": "csv", "deltalake": "delta"}
_ENCODINGS = {"utf-8": "utf-8", "utf8": "utf-8", "latin-1": "latin-1", "iso-8859-1": "latin-1", "utf-16": "utf-16"}
_EXTENSIONS = {
    ".csv": "csv", ".csv.gz": "csv", ".csv.zst": "csv", ".tsv": "csv", ".txt": "csv",
    ".json": "json", ".jsonl": "json", ".ndjson": "json", ".json.gz": "json", ".jsonl.gz": "json", ".ndjson.gz": "json",
    ".parquet": "parquet", ".parq": "parquet", ".pq": "parquet", ".orc": "orc", ".avro": "avro",
}  # fmt: skip
_LARGEST = 10**12
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

    cache_bytes: int = 160 << 20
    """How much of the files read lately stays in memory, of each process."""

    encrypted: bool = False
    """``https://host:port``: by WebHDFS over TLS."""

    @property
    def location(self) -> str:
        """As it was given."""
        return f"{'https' if self.encrypted else 'hdfs'}://{self.host}:{self.port}"


def settings(source: DataSource) -> Settings:
    """Check ``source``; DefinitionError names the option or the part of the location."""
    wrong = f'data source "{source.name}": location must be hdfs://host:port, or https://host:port (WebHDFS over TLS)'
    try:
        url = urllib.parse.urlsplit(source.location)
        port = url.port or (8020 if url.scheme == "hdfs" else None)
    except ValueError as error:
        raise DefinitionError(f"{wrong}: {error}") from None
    more = url.username or url.password or url.path not in ("", "/") or url.query
    if url.scheme not in ("hdfs", "https") or not url.hostname or not port or more:
        raise DefinitionError(wrong, hint="Paths belong to the tables.")
    for name in source.options:
        if name not in SOURCE_OPTIONS:
            known = ", ".join(SOURCE_OPTIONS)
            raise DefinitionError(f'data source "{source.name}": unknown option "{name}"', hint=f"Known options: {known}.")
    timeout = _number(source, "timeout", "10", 0.1, 3600, "seconds")
    cache = _number(source, "cache_mb", "160", 0, 1 << 20, "MiB")
    user = source.options.get("user") or source.credential.user or "openbdc"
    return Settings(source.name, url.hostname, port, user, timeout, int(cache * (1 << 20)), url.scheme == "https")


def _number(source: DataSource, name: str, default: str, least: float, most: float, unit: str) -> float:
    try:
        value = float(source.options.get(name, default))
        if not least <= value <= most:
            raise ValueError("out of range")
    except ValueError:
        said = f'data source "{source.name}": option "{name}" must be {unit} between {least:g} and {most:g}'
        raise DefinitionError(said) from None
    return value


@dataclass(frozen=True)
class RejectLimit:
    """The original's REJECT_TYPE, REJECT_VALUE and REJECT_SAMPLE_VALUE."""

    value: float
    """More rejected rows (or per cent of the rows) than this fail the query."""

    sample: int | None = None
    """None: ``value`` counts rows. Else it is per cent, looked at whenever so many more rows were tried, and at the end."""


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

    version: int | None = None
    """Of a Delta table; None: the newest."""

    rejects: RejectLimit | None = None
    """How many rows may be left out because they can't be read; None: none, the first one fails the query with its place."""

    rejected_of: str | None = None
    """The table is the list of the rows that a table with these columns (``id bigint, v numeric(5,2)``) leaves out."""

    @property
    def is_text(self) -> bool:
        """Are values texts?"""
        return self.format in TEXTS

    @property
    def names_its_columns(self) -> bool:
        """Does each file say which columns it has?"""
        return self.format not in TEXTS or (self.format == "csv" and self.header)


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
    kind = _FORMAT_ALIASES.get(kind or "", kind)
    if kind not in FORMATS:
        raise DefinitionError(
            f'{where}: the format of "{path}" is not known', hint=f"Set the option format to one of {', '.join(FORMATS)}."
        )
    if "version" in options and kind != "delta":
        raise DefinitionError(f'{where}: option "version" belongs to Delta tables', hint="Set the option format to delta.")
    quote = options.get("quote", '"')
    return FileFormat(
        format=kind,
        header=_switch(options, "header", where),
        delimiter=_delimiter(options.get("delimiter") or ("\t" if path.lower().endswith(".tsv") else ","), where),
        quote=_one_character(quote, "quote", where),
        escape=_one_character(options.get("escape", quote), "escape", where),
        null=options.get("null") or None,
        date_format=_date_format(options, "date_format", where),
        timestamp_format=_date_format(options, "timestamp_format", where),
        encoding=_encoding(options.get("encoding", "utf-8"), where),
        first_row=_whole(options, "first_row", 1, where) or 1,
        partitions=tuple(part.strip() for part in options.get("partitions", "").split(",") if part.strip()),
        version=_whole(options, "version", 0, where),
        rejects=_rejects(options, kind, where),
        rejected_of=options.get("rejected_of") or None,
    )


def _rejects(options: Mapping[str, str], kind: str, where: str) -> RejectLimit | None:
    given = [name for name in ("reject_type", "reject_value", "reject_sample_value", "rejected_of") if name in options]
    if not given:
        return None
    if kind not in TEXTS:
        raise DefinitionError(f'{where}: option "{given[0]}" belongs to texts (csv, json): rows of {kind} files are typed')
    if given == ["rejected_of"]:
        return None
    share = options.get("reject_type", "value").lower()
    if share not in ("value", "percentage"):
        raise DefinitionError(f'{where}: option "reject_type" is "{share}", not value or percentage')
    if share == "value":
        if "reject_sample_value" in options:
            raise DefinitionError(f'{where}: option "reject_sample_value" belongs to reject_type percentage')
        return RejectLimit(_whole(options, "reject_value", 0, where) or 0)
    sample = _whole(options, "reject_sample_value", 1, where)
    try:
        value = float(options["reject_value"])
    except (KeyError, ValueError):
        value = -1.0
    if sample is None or not 0 <= value <= 100:
        raise DefinitionError(f"{where}: reject_type percentage needs reject_value (0 to 100) and reject_sample_value (a number of rows)")
    return RejectLimit(value, sample)


def _date_format(options: Mapping[str, str], name: str, where: str) -> str | None:
    text = options.get(name)
    if not text:
        return None
    try:
        return strptime_format(text)
    except ValueError as error:
        raise DefinitionError(f'{where}: option "{name}" is "{text}": {error}') from None


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


def _whole(options: Mapping[str, str], name: str, least: int, where: str) -> int | None:
    text = options.get(name)
    if text is None:
        return None
    if not text.isdecimal() or not least <= int(text) <= _LARGEST:
        raise DefinitionError(f'{where}: option "{name}" is "{text}", not a whole number from {least} on')
    return int(text)
