"""The planner's entry: SQL that is parsed, bound and rewritten becomes a plan without an executor."""

from __future__ import annotations

import dataclasses
from typing import cast

from sqlglot import exp

from virtualization.bind import Bound
from virtualization.catalog import Catalog
from virtualization.plan import OutputColumn, Plan
from virtualization.planner.blocks import Blocks
from virtualization.planner.computed_keys import Computing, with_computed_keys
from virtualization.planner.offers import Connectors, Offers


def plan_query(sql: str, bound: Bound, catalog: Catalog, connectors: Connectors, computing: Computing) -> Plan:
    """Cut ``bound.query``, which is changed, into fragments and a residual. The executor is chosen afterwards, by the engine."""
    offers = Offers(catalog, connectors, bound.tables)
    if offers.whole(bound.query) is not None:
        columns = tuple(OutputColumn(name, column.type) for name, column in zip(bound.names, offers.fragments[0].columns, strict=True))
        return Plan(sql, tuple(offers.fragments), None, None, columns, (), bound.names, estimates=tuple(offers.estimates))
    residual, flows = with_computed_keys(Blocks(bound.query, offers).residual(bound.query), offers, computing)
    plan = Plan(sql, tuple(offers.fragments), cast(exp.Query, residual), None, None, tuple(offers.kept), bound.names)
    return dataclasses.replace(plan, flows=flows, estimates=tuple(offers.estimates))
