"""``verify``: random queries over every kind of source, with pushdown, without, and on PostgreSQL over a copy: how many differ.

Two processes, each with services of its own (``tests.virtualization.verify.world``) and its part of the seed's numbers; ``--rounds``: how
many queries, 100,000 if not told; ``BDC_BENCH_SECONDS``: as many as fit into so many seconds. A difference is printed whole; the seed
repeats it.
"""

from __future__ import annotations

import logging
import os
import pathlib
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import virtualization.verify.report as verified
from benchmarks.report import Figure, Report
from tests.services.postgresql import postgresql_server
from tests.virtualization.verify.world import world
from virtualization.verify.__main__ import portions_of
from virtualization.verify.verifier import Bounds, verify

QUERIES = 100_000
PROCESSES = 2
FINDINGS = 20
"""A process ends after so many."""


def portion(seed: int, first: int, queries: int) -> verified.Report:
    """One process's part."""
    logging.getLogger("virtualization").setLevel(logging.ERROR)  # what does not fit in the documents' table is told at each query
    with (
        postgresql_server("log_statement=none") as server,
        tempfile.TemporaryDirectory() as folder,
        world(server, pathlib.Path(folder)) as made,
    ):
        seconds = float(os.environ["BDC_BENCH_SECONDS"]) if "BDC_BENCH_SECONDS" in os.environ else None
        bounds = Bounds(seed, queries, first, seconds, query_seconds=60.0, shrink_seconds=30.0, findings=FINDINGS)
        return verify(made.engine, made.catalog, made.scratch, bounds, contexts=made.contexts, progress=_told(first))


def _told(first: int) -> Callable[[str], None]:
    """A line a minute."""
    last = 0.0

    def tell(text: str) -> None:
        nonlocal last
        if time.monotonic() - last > 60:
            last = time.monotonic()
            print(f"from {first:,}: {text}", file=sys.stderr, flush=True)

    return tell


def run(rounds: int | None) -> Report:
    """All of it."""
    seed = secrets.randbelow(10**9)
    portions = portions_of(rounds or QUERIES, 0, PROCESSES)
    with ProcessPoolExecutor(len(portions), get_context("spawn")) as pool:
        reports = [work.result() for work in [pool.submit(portion, seed, *each) for each in portions]]
    whole = reports[0]
    for report in reports[1:]:
        whole.add(report)
    figures = (
        Figure("queries", whole.queries, "", f">= {QUERIES}", f"seed {seed}"),
        Figure("differences", whole.differences, "", "<= 0"),
        Figure("queries_per_s", whole.queries / max(whole.seconds, 1e-9), "1/s", None, f"{len(portions)} processes"),
    )
    return Report("verify", figures, tuple(whole.text().splitlines()), {"seed": seed, "sources": whole.by_source})
