"""A common table expression that is read once becomes a derived table at that place, as PostgreSQL does.

So it can go to its source together with the block that reads it.
"""

from __future__ import annotations

from sqlglot import exp

from virtualization.planner.properties import is_volatile


def inline_single_ctes(query: exp.Query) -> exp.Query:
    """In place; later expressions first, so that chains collapse."""
    for with_ in list(query.find_all(exp.With)):
        if with_.args.get("recursive"):
            continue  # a name may mean itself inside
        for cte in reversed(list(with_.expressions)):
            reader = _only_reader(query, cte)
            if reader is not None:
                alias = exp.TableAlias(this=exp.to_identifier(reader.alias, quoted=True))
                subquery = exp.Subquery(this=cte.this, alias=alias)
                if reader.args.get("joins"):
                    subquery.set("joins", reader.args["joins"])
                reader.replace(subquery)
                cte.pop()
        if not with_.expressions:
            with_.pop()
    return query


def _only_reader(query: exp.Query, cte: exp.CTE) -> exp.Table | None:
    if cte.args.get("materialized"):  # the user asked for a fence
        return None
    if sum(1 for other in query.find_all(exp.CTE) if other.alias == cte.alias) > 1:
        return None  # shadowed names: which one a reader means depends on where it stands
    if is_volatile(cte.this):
        return None  # it is run once, whatever the reader's block does
    readers = [table for table in query.find_all(exp.Table) if not table.db and table.name == cte.alias]
    if len(readers) != 1 or _is_repeated(readers[0], query):
        return None
    return readers[0]


def _is_repeated(reader: exp.Table, query: exp.Query) -> bool:
    """Inside a recursive expression the place is run many times."""
    node = reader.parent
    while node is not None and node is not query:
        if isinstance(node, exp.With) and node.args.get("recursive"):
            return True
        node = node.parent
    return False
