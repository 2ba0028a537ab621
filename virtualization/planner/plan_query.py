"""The planner's entry: SQL that is parsed, bound and rewritten becomes a plan without an executor."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import cast

from sqlglot import exp

from virtualization.bind import Bound
from virtualization.catalog import Catalog
from virtualization.plan import OutputColumn, Plan
from virtualization.planner.blocks import Blocks
from virtualization.planner.computed_keys import Computing, with_computed_keys
from virtualization.planner.costs import Links
from virtualization.planner.offers import Connectors, Offers
from virtualization.planner.partial_groups import with_partial_groups


@dataclass(frozen=True)
class Surroundings:
    """What planning asks of the engine: connectors, the links to their sources, and its first executor."""

    connectors: Connectors
    computing: Computing
    links: Links


def plan_query(sql: str, bound: Bound, catalog: Catalog, around: Surroundings) -> Plan:
    """Cut ``bound.query``, which is changed, into fragments and a residual. The executor is chosen afterwards, by the engine."""
    offers = Offers(catalog, around.connectors, bound.tables, around.links)
    if offers.whole(bound.query) is not None:
        columns = tuple(OutputColumn(name, column.type) for name, column in zip(bound.names, offers.fragments[0].columns, strict=True))
        return Plan(sql, tuple(offers.fragments), None, None, columns, (), bound.names, estimates=tuple(offers.estimates))
    grouped = with_partial_groups(bound.query, offers)
    if grouped is None:
        return _cut(sql, bound, bound.query, offers, around)
    plan = _cut(sql, bound, grouped, offers, around)
    if _is_taken(plan, around):
        return plan
    plain = _cut(sql, bound, bound.query, Offers(catalog, around.connectors, bound.tables, around.links), around)
    return plain if _is_taken(plain, around) else plan  # the slower executor has less to do with groups


def _cut(sql: str, bound: Bound, query: exp.Query, offers: Offers, around: Surroundings) -> Plan:
    residual, flows = with_computed_keys(Blocks(query, offers).residual(query), offers, around.computing)
    plan = Plan(sql, tuple(offers.fragments), cast(exp.Query, residual), None, None, tuple(offers.kept), bound.names)
    return dataclasses.replace(plan, flows=flows, estimates=tuple(offers.estimates), decisions=tuple(offers.decisions))


def _is_taken(plan: Plan, around: Surroundings) -> bool:
    """By the first executor."""
    return plan.residual is not None and around.computing(plan.residual, plan.fragments) is not None
