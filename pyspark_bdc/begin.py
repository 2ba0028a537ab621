"""The driver's first step of a write: log in at the coordinator, make the table where it is missing, begin the load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pyspark_bdc.coordinator import Login
from pyspark_bdc.errors import OptionError
from pyspark_bdc.load import begin
from pyspark_bdc.logins import logged_in
from pyspark_bdc.targets import Field, created_columns, matched
from pyspark_bdc.task import Task
from pyspark_bdc.write_options import WriteOptions, without_password

CLIENT = "pyspark_bdc"


def begin_write(options: WriteOptions, fields: Sequence[Field]) -> Task:
    """What the tasks need; the password stays behind.

    OptionError, UnreachableError or WriteError: after any of them nothing is left.
    """
    _body(options, fields)  # what is wrong with the frame is said before anybody is asked
    return begin_with(logged_in(options.address, options.flight), options, fields)


def begin_with(login: Login, options: WriteOptions, fields: Sequence[Field], more: Mapping[str, Any] | None = None) -> Task:
    """The same where there is a login; ``more``: further keys of the protocol's ``begin``."""
    load = begin(login, {**_body(options, fields), **(more or {})})
    kept = without_password(options)
    if load.state != "open":
        return Task(load, (), kept)
    try:
        names = matched(fields, load.columns, checked=options.schema_check)
    except OptionError:
        load.abort("the DataFrame does not fit the table")
        raise
    return Task(load, tuple(names), kept)


def _body(options: WriteOptions, fields: Sequence[Field]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "table": options.table,
        "mode": options.mode,
        "client": CLIENT,
        "create": {
            "columns": created_columns(fields, frozenset(options.primary_key)),
            **({"distribution": options.distribution} if options.distribution else {}),
            **({"primary_key": list(options.primary_key)} if options.primary_key else {}),
        },
    }
    if options.load_id is not None:
        body["load_id"] = options.load_id
    if options.if_exists is not None:
        body["if_exists"] = options.if_exists
    return body
