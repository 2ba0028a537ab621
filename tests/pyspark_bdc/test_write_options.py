"""Options of a write: each does its job or is refused with the reason."""

from __future__ import annotations

import pathlib
import re

import pytest

from pyspark_bdc import options as reading
from pyspark_bdc.errors import OptionError
from pyspark_bdc.refusals import REFUSED
from pyspark_bdc.write_options import ACCEPTED, parse

BASE = {"host": "127.0.0.1", "user": "ann", "password": "x", "dbtable": "public.House"}


def test_the_least_that_is_needed() -> None:
    options = parse(BASE, overwrite=False)
    assert (options.table, options.mode, options.if_exists, options.relay) == ('"public"."house"', "append", None, "auto")


def test_sparks_overwrite() -> None:
    assert parse(BASE, overwrite=True).mode == "overwrite"
    with pytest.raises(OptionError, match="writeMode is upsert"):
        parse(BASE | {"writeMode": "upsert"}, overwrite=True)


def test_names_of_the_original_connector() -> None:
    given = {
        "dataPoolDataSource": "SqlDataPool",
        "dataPoolDistPolicy": "REPLICATED",
        "reliabilityLevel": "NO_DUPLICATES",
        "batchsize": "100000",
    }
    options = parse(BASE | given | {"mssqlIsolationLevel": "SNAPSHOT", "truncate": "true"}, overwrite=False)
    assert (options.distribution, options.piece_rows) == ("REPLICATED", 100_000)


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("truncate", "false", "keeps the table"),
        ("mssqlIsolationLevel", "READ_UNCOMMITTED", "as a whole"),
        ("checkConstraints", "false", "always checked"),
        ("keepNulls", "false", "stays NULL"),
        ("tableLock", "true", "tableLock"),
        ("principal", "ann@X", "Kerberos"),
        ("ifExists", "replace", "none of error, ignore"),
        ("reliabilityLevel", "MAYBE", "none of BEST_EFFORT"),
        ("batchsize", "0", "batchsize"),
        ("nosuch", "1", "unknown option 'nosuch'"),
        ("query", "SELECT 1", "query"),
    ],
)
def test_what_can_not_be_done_is_refused(option: str, value: str, why: str) -> None:
    with pytest.raises(OptionError, match=why):
        parse(BASE | {option: value}, overwrite=False)


def test_distribution_is_said_once() -> None:
    with pytest.raises(OptionError, match="say the same"):
        parse(BASE | {"distribution": "HASH(a)", "dataPoolDistPolicy": "ROUND_ROBIN"}, overwrite=False)


def test_keys_are_read_as_sql_reads_them() -> None:
    assert parse(BASE | {"primaryKey": 'Id, "B c", "d""e"'}, overwrite=False).primary_key == ("id", "B c", 'd"e')
    with pytest.raises(OptionError, match="primaryKey"):
        parse(BASE | {"primaryKey": "a,,b"}, overwrite=False)


def test_every_accepted_option_is_told_in_the_error() -> None:
    with pytest.raises(OptionError) as caught:
        parse(BASE | {"nosuch": "1"}, overwrite=False)
    assert all(name in str(caught.value) for name in ACCEPTED)


def test_the_guide_lists_every_option() -> None:
    page = (pathlib.Path(__file__).parents[2] / "docs/guide/spark.md").read_text()
    reads, writes = page.split("## Options of reading")[1].split("## Options of writing")
    for accepted, part in ((reading.ACCEPTED, reads), (ACCEPTED, writes.split("## Types")[0] + reads)):
        listed = {name.lower() for row in re.findall(r"^\| (`.*?) \|", part, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
        assert {name.lower() for name in accepted} <= listed
        assert listed <= {name.lower() for name in (*ACCEPTED, *reading.ACCEPTED)}


def test_options_of_writing_are_no_options_of_reading_and_the_other_way_round() -> None:
    reads, writes = {name.lower() for name in reading.ACCEPTED}, {name.lower() for name in ACCEPTED}
    assert not reads & set(REFUSED)
    for name in writes - reads:
        with pytest.raises(OptionError, match="option of writing"):
            reading.parse(BASE | {name: "true"})
    for name in reads - writes:
        with pytest.raises(OptionError, match=rf"(?i){name}"):
            parse(BASE | {name: "true"}, overwrite=False)
