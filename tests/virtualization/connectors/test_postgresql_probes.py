"""The probes of the benchmark ``pushdown``, small: each reaches the source. (The one of parallel scans: ``test_postgresql_parallel``.)"""

from __future__ import annotations

import pytest

from benchmarks.pushdown import PROBES, outcome
from benchmarks.pushdown_postgresql import column

pytestmark = pytest.mark.service


def test_every_probe_reaches_the_source() -> None:
    with column([], orders=5_000) as made:
        (ask,) = made.sides.values()
        found = {probe.name: outcome(probe, ask, made.truth) for probe in PROBES if probe.sessions == 1}
    assert set(found.values()) == {"Y"}, found
