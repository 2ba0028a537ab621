"""The shipped verifier as an assertion, for tests of any engine and catalog."""

from __future__ import annotations

from virtualization.catalog import Catalog
from virtualization.engine import Engine
from virtualization.plan import QueryContext
from virtualization.verify.judge import Judge
from virtualization.verify.report import Report
from virtualization.verify.sides import Contexts
from virtualization.verify.verifier import Bounds, Verification, verification

PATIENCE = 120.0
"""Seconds for one query: a busy machine is no difference."""


def check(
    engine: Engine, catalog: Catalog, scratch_dsn: str, bounds: Bounds, *, contexts: Contexts = QueryContext, pushed_only: bool = False
) -> Report:
    """No statement may differ, and most must have been compared. ``pushed_only``: no second run without pushdown."""
    with verification(engine, catalog, scratch_dsn, bounds, contexts) as prepared:
        sides = prepared.judge.sides[:1] if pushed_only else prepared.judge.sides
        report = Verification(Judge(prepared.judge.right, sides), prepared.tables, prepared.notes).run(bounds)
    assert not report.findings, report.text()
    assert report.outcomes["same"] > bounds.queries * len(sides) * 0.8, report.text()
    return report


def limits(seed: int, queries: int) -> Bounds:
    """Of a test."""
    return Bounds(seed, queries, query_seconds=PATIENCE, shrink_seconds=20)
