"""``python -m virtualization.verify CATALOG.json --scratch DSN``: see the package, and ``catalog_files`` for the file."""

from __future__ import annotations

import argparse
import json
import pathlib
import secrets
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context

from virtualization.errors import VirtualizationError
from virtualization.in_process import default_engine
from virtualization.verify.catalog_files import read_catalog
from virtualization.verify.report import Report
from virtualization.verify.verifier import Bounds, verify, with_tables

DIFFERENT, FAILED = 1, 2
"""Exit codes beside 0."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code: 0 the same, 1 differences, 2 it could not be done."""
    given = _parser().parse_args(arguments)
    seed = secrets.randbelow(10**9) if given.seed is None else given.seed
    print(f"seed {seed}", file=sys.stderr)  # noqa: T201 a command
    try:
        report = _report(given, seed)
    except VirtualizationError as error:
        print("; ".join(filter(None, (error.message, error.detail, error.hint))), file=sys.stderr)  # noqa: T201
        return FAILED
    print(json.dumps(report.json(), indent=2, ensure_ascii=False) if given.json else report.text())  # noqa: T201
    return DIFFERENT if report.differences else 0


def _report(given: argparse.Namespace, seed: int) -> Report:
    """In as many processes as wanted, each with a part of the seed's numbers."""
    portions = portions_of(given.queries, given.first, given.processes)
    if len(portions) == 1:
        return _portion(given, seed, *portions[0])
    with ProcessPoolExecutor(len(portions), get_context("spawn")) as pool:
        reports = [work.result() for work in [pool.submit(_portion, given, seed, *portion) for portion in portions]]
    for report in reports[1:]:
        reports[0].add(report)
    return reports[0]


def portions_of(queries: int, first: int, processes: int) -> list[tuple[int, int]]:
    """(first number, how many) for each process."""
    ends = [first + queries * part // processes for part in range(processes + 1)]
    return [(begin, end - begin) for begin, end in pairwise(ends) if end > begin]


def _portion(given: argparse.Namespace, seed: int, first: int, queries: int) -> Report:
    engine = default_engine(given.scratch)
    catalog = with_tables(read_catalog(given.catalog, engine), given.source, given.table)
    bounds = Bounds(seed, queries, first, given.seconds, given.rows, given.query_seconds, findings=given.findings)
    return verify(engine, catalog, given.scratch, bounds, progress=lambda text: print(text, file=sys.stderr))  # noqa: T201


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m virtualization.verify", description="Does pushdown ever change an answer?")
    parser.add_argument("catalog", type=pathlib.Path, help="JSON file with sources and tables")
    parser.add_argument("--scratch", required=True, metavar="DSN", help="a PostgreSQL for temporary tables (password: PGPASSWORD)")
    parser.add_argument("--source", action="append", default=[], metavar="NAME", help="only tables of this source; may be repeated")
    parser.add_argument("--table", action="append", default=[], metavar="NAME", help="only this table; may be repeated")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--seed", type=int, help="repeat a run; default: a new one, which is shown")
    parser.add_argument("--processes", type=int, default=1, help="so many side by side (default 1)")
    parser.add_argument("--first", type=int, default=0, help="the number of the seed's first query")
    parser.add_argument("--seconds", type=float, help="end after so long")
    parser.add_argument("--rows", type=int, default=1000, help="rows of a table that take part (default 1000)")
    parser.add_argument("--query-seconds", type=float, default=10.0, help="limit of one query on one side (default 10)")
    parser.add_argument("--findings", type=int, default=5, help="end after so many differences (default 5)")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
