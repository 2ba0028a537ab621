"""The options of ``df.write.format("bdc")``: the same rules as for reading, plus what a load may be told.

Options of the original's connector are accepted where this version does what they ask, else refused with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyspark_bdc import options as reading
from pyspark_bdc.addresses import Address
from pyspark_bdc.errors import OptionError
from pyspark_bdc.names import identifiers
from pyspark_bdc.refusals import REFUSED
from pyspark_bdc.sending import PIECE_ROWS

CONNECTION = ("database", "dbtable", "host", "password", "port", "sslcert", "sslkey", "sslmode", "sslrootcert", "url", "user")
OWN = ("distribution", "flight", "ifExists", "loadId", "primaryKey", "relay", "target", "writeMode")
ORIGINAL = (
    "batchsize", "checkConstraints", "dataPoolDataSource", "dataPoolDistPolicy", "fireTriggers", "isolationLevel", "keepIdentity",
    "keepNulls", "mssqlIsolationLevel", "reliabilityLevel", "schemaCheckEnabled", "tableLock", "truncate",
)  # fmt: skip
ACCEPTED = tuple(sorted((*CONNECTION, *OWN, *ORIGINAL), key=str.lower))

_MOST_PIECE_ROWS = 1_000_000
_ALWAYS = {
    "checkconstraints": ("true", "constraints are always checked"),
    "keepnulls": ("true", "a NULL of the DataFrame stays NULL"),
    "keepidentity": ("true", "the DataFrame's values are kept"),
    "firetriggers": ("false", "loads fire no triggers"),
    "truncate": ("true", "overwrite always keeps the table, its columns and grants; drop it to change them"),
    "mssqlisolationlevel": ("snapshot", "a load appears as a whole, readers keep the state they began with"),
    "isolationlevel": ("snapshot", "a load appears as a whole, readers keep the state they began with"),
}
"""What can't be otherwise in the data pool: asked for, it is given; anything else is refused."""
_ALWAYS_LOCAL = {
    "checkconstraints": _ALWAYS["checkconstraints"],
    "keepnulls": _ALWAYS["keepnulls"],
    "truncate": _ALWAYS["truncate"],
    "firetriggers": ("true", "the table's triggers fire, as for any INSERT"),
}
_POOL_ONLY = ("dataPoolDataSource", "dataPoolDistPolicy", "distribution", "flight", "loadId", "relay")
_SPARKS = ("checkpointlocation", "queryname", "path")
"""What Spark's own options of a stream are called where it hands them over."""
ISOLATIONS = ("READ_UNCOMMITTED", "READ_COMMITTED", "REPEATABLE_READ", "SERIALIZABLE", "SNAPSHOT")


@dataclass(frozen=True)
class WriteOptions:
    """All options of one write."""

    address: Address
    table: str
    """As SQL reads it: quoted parts."""
    mode: str = "append"
    """append, overwrite or upsert."""
    if_exists: str | None = None
    """error or ignore: what Spark's own modes of these names mean (Spark refuses them for Python sources)."""
    distribution: str | None = None
    """Of a table that is made: ``HASH(a, b)``, ``ROUND_ROBIN``, ``REPLICATED``."""
    primary_key: tuple[str, ...] = ()
    load_id: str | None = None
    relay: str = "auto"
    flight: str | None = None
    """``host:port`` of a coordinator where the address that the master tells can't be reached."""
    piece_rows: int = PIECE_ROWS
    schema_check: bool = True
    table_lock: bool = False
    """Local tables: LOCK TABLE … IN EXCLUSIVE MODE while the rows are moved in."""
    isolation: str | None = None
    """Local tables: of the transaction that moves the rows in."""
    keep_identity: bool = False
    """Local tables: values for GENERATED ALWAYS columns are taken."""


def place(given: Mapping[str, str]) -> tuple[reading.Options, str]:
    """Where to write, before anything else is looked at: login and table, and the option ``target``. OptionError."""
    options = {key.lower(): value for key, value in given.items()}
    connection = {name: value for name, value in options.items() if name in {one.lower() for one in CONNECTION}}
    asked = reading.one_of(options, "target", ("auto", "pool", "local")) or "auto"
    if asked == "auto" and any(name.lower() in options for name in ("dataPoolDataSource", "dataPoolDistPolicy", "distribution")):
        asked = "pool"
    return reading.parse(connection), asked


def parse(given: Mapping[str, str], *, overwrite: bool, local: bool = False) -> WriteOptions:
    """Check and take over; ``local``: for a table of the master itself. OptionError says which one and why."""
    options = {key.lower(): value for key, value in given.items()}
    _refuse(options, local=local)
    base, _ = place(options)
    isolation = reading.one_of(options, "mssqlIsolationLevel", ISOLATIONS) or reading.one_of(options, "isolationLevel", ISOLATIONS)
    return WriteOptions(
        address=base.address,
        table=base.relation,
        mode=_mode(options, overwrite=overwrite),
        if_exists=reading.one_of(options, "ifExists", ("error", "ignore")),
        distribution=_distribution(options),
        primary_key=identifiers("primaryKey", options.get("primarykey", "")),
        load_id=options.get("loadid"),
        relay=reading.one_of(options, "relay", ("auto", "always", "never")) or "auto",
        flight=options.get("flight"),
        piece_rows=reading.count("batchsize", options.get("batchsize", str(PIECE_ROWS)), _MOST_PIECE_ROWS),
        schema_check=reading.boolean("schemaCheckEnabled", options.get("schemacheckenabled", "true")),
        table_lock=reading.boolean("tableLock", options.get("tablelock", "false")),
        isolation=isolation if local else None,
        keep_identity=reading.boolean("keepIdentity", options.get("keepidentity", "false")),
    )


def parse_stream(given: Mapping[str, str], *, overwrite: bool) -> WriteOptions:
    """Of ``df.writeStream``: Spark's own options are among them; each micro-batch is a load with an id of its own. OptionError."""
    options = {key.lower(): value for key, value in given.items() if key.lower() not in _SPARKS}
    for name in ("loadId", "ifExists"):
        if name.lower() in options:
            raise OptionError(f"option {name}: each batch of a stream is a load that is named after it", "leave it away")
    if options.get("target", "auto").strip().lower() == "local":
        raise OptionError("option target: a stream is written into the data pool", "write local tables by foreachBatch")
    return parse(options, overwrite=overwrite)


def without_password(options: WriteOptions) -> WriteOptions:
    """For what travels to tasks that have a login."""
    return replace(options, address=replace(options.address, password=None))


def _refuse(options: Mapping[str, str], *, local: bool) -> None:
    accepted = {name.lower() for name in ACCEPTED}
    always = _ALWAYS_LOCAL if local else _ALWAYS
    for name, value in options.items():
        if name in always and value.strip().lower() != always[name][0]:
            raise OptionError(f"option {name}: {value!r} can't be had: {always[name][1]}", "leave it away")
        if local and name in {one.lower() for one in _POOL_ONLY}:
            raise OptionError(f"option {name} is for tables of the data pool; this one is local", "leave it away")
        if not local and name == "tablelock" and value.strip().lower() != "false":
            raise OptionError("option tableLock: loads into the data pool wait for no lock: they are as fast without", "leave it away")
        if name in accepted:
            continue
        if name in REFUSED:
            raise OptionError(f"option {REFUSED[name].name}: {REFUSED[name].why}", REFUSED[name].hint)
        raise OptionError(f"unknown option {name!r}", f"known for writing are {', '.join(ACCEPTED)}")
    reading.one_of(options, "reliabilityLevel", ("BEST_EFFORT", "NO_DUPLICATES"))  # both are exactly once here


def _mode(options: Mapping[str, str], *, overwrite: bool) -> str:
    asked = reading.one_of(options, "writeMode", ("append", "overwrite", "upsert"))
    if asked is None:
        return "overwrite" if overwrite else "append"
    if overwrite and asked != "overwrite":
        raise OptionError(f'option writeMode is {asked}, Spark\'s mode "overwrite"', 'use .mode("append") with writeMode=upsert')
    return asked


def _distribution(options: Mapping[str, str]) -> str | None:
    own, original = options.get("distribution"), options.get("datapooldistpolicy")
    if own and original:
        raise OptionError("options distribution and dataPoolDistPolicy say the same", "give one of them")
    return own or original
