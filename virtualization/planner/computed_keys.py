"""Sub-queries under IN that are worth running first, since their few values select rows at another source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlglot import exp

from virtualization.computed import Computed
from virtualization.plan import Fragment, KeyFlow
from virtualization.planner.estimates import query_rows
from virtualization.planner.fragment_names import fragment_name, fragment_number
from virtualization.planner.key_flows import choose
from virtualization.planner.offers import Offers
from virtualization.planner.properties import conjuncts, free_aliases, free_ctes, session_call

Computing = Callable[[exp.Query, tuple[Fragment, ...]], Computed | None]
"""Makes the fragment of a sub-query over the plan's fragments; None where no executor takes it."""


def with_computed_keys(residual: exp.Expr, offers: Offers, computing: Computing) -> tuple[exp.Expr, tuple[KeyFlow, ...]]:
    """The residual with such sub-queries replaced, their fragments added to ``offers``, and all flows; their takers lie in ``offers``."""
    takers = offers.takers()
    flows = choose(residual, takers, offers.estimates, offers.modes(), offers)
    for place in range(len(list(_candidates(residual)))):
        attempt = residual.copy()
        query = list(_candidates(attempt))[place]
        made = computing(query.copy(), tuple(offers.fragments))
        if made is None:
            continue
        number = len(takers)
        query.replace(_read(number, made.columns[0].name))
        estimates = [*offers.estimates, _rows(query, offers.estimates)]
        found = choose(attempt, [*takers, made], estimates, offers.modes(), offers)
        if any(flow.giver == number for flow in found):
            takers, residual, flows, offers.estimates = [*takers, made], attempt, found, estimates
            break
    taking = {flow.taker for flow in flows}
    own = [*offers.fragments, *takers[len(offers.fragments) :]]
    offers.fragments = [taker if number in taking else fragment for number, (taker, fragment) in enumerate(zip(takers, own, strict=True))]
    return residual, flows


def _candidates(residual: exp.Expr) -> Iterator[exp.Select]:
    """Uncorrelated sub-queries with groups, joins or limits: a plain one gives its keys as it is."""
    for select in residual.find_all(exp.Select):
        where = select.args.get("where")
        for condition in conjuncts(where.this if where is not None else None):
            query = condition.args.get("query") if isinstance(condition, exp.In) else None
            inner = query.unnest() if query is not None else None
            if isinstance(inner, exp.Select) and isinstance(condition.this, exp.Column) and _is_apart(inner):
                yield inner


def _is_apart(query: exp.Select) -> bool:
    computed = any(query.args.get(part) for part in ("group", "having", "joins", "limit"))
    foreign = any(fragment_number(exp.to_table(name)) is None for name in free_ctes(query))
    return computed and len(query.selects) == 1 and not (foreign or free_aliases(query) or session_call(query))


def _read(number: int, column: str) -> exp.Select:
    table = fragment_name(number)
    item = exp.Alias(this=exp.column(column, table=table, quoted=True), alias=exp.to_identifier(column, quoted=True))
    return exp.Select(expressions=[item], from_=exp.From(this=exp.Table(this=exp.to_identifier(table, quoted=True))))


def _rows(query: exp.Select, estimates: Sequence[float]) -> float:
    rows = {table.alias_or_name: estimates[number] for table in query.find_all(exp.Table) if (number := fragment_number(table)) is not None}
    return query_rows(query, rows)
