"""The engine: text -> plan (cached) -> running query.

    text --parse--> tree --bind(catalog)--> rules --cut--> fragments + residual --executor--> batches

Plans are cached by (text, catalog version). A text that differs from a seen one in its literals only (postgres_fdw sends those all
the time) skips parsing, binding and rules: see ``shapes``; in integers only, often all of planning: see ``templates``.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Hashable, Mapping, Sequence

from sqlglot import exp

from virtualization import caches
from virtualization.bind import Bound, bind
from virtualization.catalog import Catalog, DataSource
from virtualization.computed import Computed
from virtualization.connections import Connections, Factory
from virtualization.errors import InternalError, SqlError, UnsupportedError
from virtualization.explanation import Actual, Explanation
from virtualization.links import Links
from virtualization.metering import metered
from virtualization.narrowing import Lessons, NarrowedResult, Narrowing
from virtualization.parse import parse
from virtualization.plan import BeginsEarly, Connector, Executor, Fragment, Kept, OutputColumn, Plan, QueryContext, Result
from virtualization.planner.plan_query import Surroundings, plan_query
from virtualization.predictions import Models, kept_here
from virtualization.results import FragmentResult, RenamedResult, with_names
from virtualization.rules import rewrite
from virtualization.shapes import Shapes
from virtualization.templates import Templates

PLANS_KEPT = 500
"""Plans in the cache; the one used longest ago goes first. A plan is some kilobytes."""
NO_EXECUTOR = "no executor takes this query"
TEXT_KEPT = 100_000
"""Longer texts are not cached: they are rarely sent twice."""


class Engine:
    """Plans and runs queries; thread-safe. ``executors`` are asked in order; ``connectors``: classes besides the registered ones;
    ``models``: what ``predict`` calls."""

    def __init__(
        self, executors: Sequence[Executor], connectors: Mapping[str, Factory] | None = None, models: Models | None = None
    ) -> None:
        self.executors = tuple(executors)
        self._models = models
        self._connections = Connections(connectors)
        self._lock = threading.Lock()
        self._plans: OrderedDict[tuple[str, Hashable], Plan] = OrderedDict()
        self._described: OrderedDict[int, tuple[Plan, tuple[OutputColumn, ...]]] = OrderedDict()
        self._shapes = Shapes()
        self._templates = Templates()
        self._lessons = Lessons()
        self._links = Links()
        self._around = Surroundings(self._connections.connector, self._computed, self._links.link)

    def plan(self, sql: str | exp.Query, catalog: Catalog) -> Plan:
        """The plan of a query. VirtualizationError for a text that can't be parsed, bound or run by any executor."""
        if isinstance(sql, exp.Query):
            return self._planned(sql.sql("postgres"), self._bound(sql, catalog), catalog)
        key = (sql, (catalog.version, self._links.version))
        with self._lock:
            known = self._plans.get(key)
            if known is not None:
                caches.PLANS.hits += 1
                self._plans.move_to_end(key)
                return known
            caches.PLANS.misses += 1

        def planning(text: str) -> Plan:
            bound = self._shapes.bound(text, catalog.version, lambda same: self._bound(parse(same), catalog))
            return self._planned(text, bound, catalog)

        plan = self._templates.plan(sql, catalog.version, planning)
        if len(sql) <= TEXT_KEPT:
            with self._lock:
                self._plans[key] = plan
                while len(self._plans) > PLANS_KEPT:
                    self._plans.popitem(last=False)
        return plan

    def run(self, plan: Plan, context: QueryContext | None = None) -> Result:
        """Start a plan; rows stream, counted in ``context``. Close the result to free what is behind it."""
        context = context or QueryContext()
        fragments = metered(_begun(plan.fragments), context, self._links.learn)
        if plan.residual is None:
            context.answered = context.moved[0]
            return FragmentResult(fragments[0].open(context), plan.columns or plan.fragments[0].columns)
        narrowing = Narrowing(fragments, plan.flows, self._lessons, context)
        try:
            result = self._executor(plan.executor).run(plan.residual, narrowing.fragments, context)
        except BaseException:
            narrowing.close()
            raise
        return RenamedResult(NarrowedResult(result, narrowing), plan.names, context.answered)

    def describe(self, plan: Plan) -> tuple[OutputColumn, ...]:
        """Names and types of the result; no source is asked."""
        if plan.columns is not None:
            return plan.columns
        with self._lock:
            known = self._described.get(id(plan))
            if known is not None:
                return known[1]
        assert plan.residual is not None
        columns = with_names(self._executor(plan.executor).describe(plan.residual, plan.fragments), plan.names)
        with self._lock:
            self._described[id(plan)] = (plan, columns)  # the plan is held, so that its id stays its own
            while len(self._described) > PLANS_KEPT:
                self._described.popitem(last=False)
        return columns

    def explain(self, sql: str | exp.Query, catalog: Catalog, context: QueryContext | None = None, analyze: bool = False) -> Explanation:
        """How the query is carried out; ``analyze`` runs it to its end and counts rows, bytes and time per fragment."""
        plan = self.plan(sql, catalog)
        if not analyze:
            return Explanation.of(plan, catalog)
        context = context or QueryContext()
        start = time.perf_counter()
        result = self.run(plan, context)
        try:
            for _ in result:
                pass
        finally:
            result.close()
        return Explanation.of(plan, catalog, Actual.of(context, (time.perf_counter() - start) * 1000))

    def connector(self, source: DataSource) -> Connector:
        """The open connector of a source."""
        return self._connections.connector(source)

    def retain(self, sources: Collection[DataSource]) -> None:
        """Close the connectors of all other sources: call it when catalogs have changed."""
        self._connections.retain(sources)

    def close(self) -> None:
        """Close connectors and executors."""
        self._connections.close()
        for executor in self.executors:
            executor.close()

    def _bound(self, query: exp.Query, catalog: Catalog) -> Bound:
        try:
            bound = bind(query, catalog)
            return dataclasses.replace(bound, query=rewrite(bound.query))
        except RecursionError as error:
            raise SqlError("the query is nested too deeply") from error

    def _planned(self, sql: str, bound: Bound, catalog: Catalog) -> Plan:
        try:
            plan = plan_query(sql, bound, catalog, self._around)
            return plan if plan.residual is None else self._with_executor(plan, plan.residual)
        except RecursionError as error:
            raise SqlError("the query is nested too deeply") from error

    def _with_executor(self, plan: Plan, residual: exp.Query) -> Plan:
        refusals: list[tuple[str, Kept]] = []
        for executor in self.executors:
            refused = executor.refuses(residual, plan.fragments)
            if refused is None:
                kept = (*plan.kept, *kept_here(residual, self._models))
                return dataclasses.replace(plan, executor=executor.name, refusals=tuple(refusals), kept=kept)
            refusals.append((executor.name, refused))
        why = "; ".join(f"{name}: {one.why}" for name, one in refusals) or "there is none"
        raise UnsupportedError(f"{NO_EXECUTOR} ({why})", hint=refusals[0][1].fix if refusals else None)

    def _computed(self, query: exp.Query, fragments: tuple[Fragment, ...]) -> Computed | None:
        """See ``planner.computed_keys``. By the first executor only: those with few connections would wait for each other."""
        for executor in self.executors[:1]:
            if executor.refuses(query, fragments) is None:
                return Computed(query, executor, executor.describe(query, fragments), fragments)
        return None

    def _executor(self, name: str | None) -> Executor:
        for executor in self.executors:
            if executor.name == name:
                return executor
        raise InternalError(f"the plan names executor {name}, which this engine has not")


def _begun(fragments: tuple[Fragment, ...]) -> tuple[Fragment, ...]:
    """Of several: what each must find out first goes on side by side."""
    if len(fragments) < 2:
        return fragments
    return tuple(fragment.begun() if isinstance(fragment, BeginsEarly) else fragment for fragment in fragments)
