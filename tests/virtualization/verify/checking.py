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
LEAST_SAME = 0.8
"""The share of verdicts that must be ``same``: the others are refused on both sides, or errors of the data."""


def check(engine: Engine, catalog: Catalog, scratch_dsn: str, bounds: Bounds, *, contexts: Contexts = QueryContext) -> Report:
    """No statement may differ, and most must have been compared. Half of them are not asked without pushdown: that takes as long as with
    it, and says nothing of sources."""
    with verification(engine, catalog, scratch_dsn, bounds, contexts) as prepared:
        judges = [Judge(one.right, one.sides[:count]) for count in (2, 1) for one in prepared.judges]
        report = Verification(judges, prepared.tables, prepared.notes).run(bounds)
    assert not report.findings, report.text()
    assert report.outcomes["same"] > report.outcomes.total() * LEAST_SAME or bounds.queries < 20, report.text()
    return report


def limits(seed: int, queries: int, first: int = 0) -> Bounds:
    """Of a test."""
    return Bounds(seed, queries, first, query_seconds=PATIENCE, shrink_seconds=20)
