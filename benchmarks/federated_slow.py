"""``federated_slow``: the queries of ``federated`` where PostgreSQL lies behind a link of 100 Mbit/s and 5 ms one way, at the compute
pool directly and through DuckDB's PostgreSQL scanner, each with a link of its own whose bytes are counted."""

from __future__ import annotations

import contextlib
import os
from statistics import geometric_mean

from benchmarks.federated import ASKED, DIRECT, Ask, add_source, compute_port, ours, ratios, rounds_of, setting, table
from benchmarks.federated_peers import Target, peers
from benchmarks.report import Figure, Report
from benchmarks.throttle import slow_link

ROUNDS = 3
PEER = "duckdb"


def run(rounds: int | None) -> Report:
    """Both sides."""
    scale = float(os.environ.get("BDC_BENCH_SCALE", "1"))
    count = rounds or ROUNDS
    with setting(scale) as made, slow_link(made.server.port) as our_link, slow_link(made.server.port) as their_link:
        add_source(made.place, made.server, our_link.port)
        with contextlib.ExitStack() as stack:
            sides: dict[str, Ask] = {DIRECT: ours(stack.enter_context(made.place.sql(port=compute_port(made.place))))}
            target = Target(their_link.port, made.server.user, made.server.password, made.files)
            sides[PEER] = stack.enter_context(peers(target, (PEER,)))[PEER].ask
            before = our_link.moved, their_link.moved
            spent, wrong = rounds_of(sides, count, warm=1)
            moved = our_link.moved - before[0], their_link.moved - before[1]
    against = ratios(spent, DIRECT, PEER)
    figures = (
        Figure("geomean_vs_duckdb", geometric_mean([against[query] for query in ASKED]), "ratio", "<= 0.3", "our seconds ÷ DuckDB's"),
        Figure("worst_vs_duckdb", max(against[query] for query in ASKED), "ratio"),
        Figure("megabytes", moved[0] / (count + 1) / 1e6, "MB", None, "from PostgreSQL, all nine queries once"),
        Figure("megabytes_duckdb", moved[1] / (count + 1) / 1e6, "MB"),
        Figure("different_answers", len(wrong), "", "<= 0"),
    )
    seconds = {side: {query: [round(s, 4) for s in values] for query, values in of.items()} for side, of in spent.items()}
    return Report("federated_slow", figures, (*table(spent), *wrong), {"rounds": count, "scale": scale, "seconds": seconds})
