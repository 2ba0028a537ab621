"""The rows of a block: FROM and WHERE as stages. One table, or joins of tables of the source's database (see ``lookups``).

The first table's documents are read; the others are looked up for each of its rows. Which is the first is chosen where all joins are inner
ones: it must be such that an index, or the smallness of the others, makes looking up cheap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from virtualization.catalog import VirtualTable
from virtualization.connectors.mongodb.conditions import Filter, Operand, coarse
from virtualization.connectors.mongodb.expressions import Computed
from virtualization.connectors.mongodb.filters import Filtered, Stage, filtered, plain_first
from virtualization.connectors.mongodb.lookups import Lookup
from virtualization.connectors.mongodb.pipelines import Culprit
from virtualization.connectors.mongodb.sub_queries import SubQuery, sub_query
from virtualization.connectors.mongodb.typed_columns import TypedColumns
from virtualization.planner.estimates import scanned_rows
from virtualization.planner.properties import conjuncts, has_query, used_aliases
from virtualization.refusal import RefusedError, refuse


@dataclass(frozen=True)
class Member:
    """A table of FROM. ``on``: of an outer join; None: an inner one."""

    alias: str
    table: VirtualTable
    on: tuple[exp.Expr, ...] | None = None


@dataclass
class _Made:
    """One way to read the rows: the first table, then what is done with its rows."""

    first: TypedColumns
    before: Filter | None = None
    steps: list[Filtered | Lookup] = field(default_factory=list)


class Rows:
    """Of one block. Columns are added as the rest of the block asks for them, and then ``stages`` are made."""

    def __init__(self, query: exp.Select, tables: Mapping[str, VirtualTable]) -> None:
        self._query = query
        self._tables = tables
        self._members, self._pool = _parts(query, tables)
        self._made, self.computed = self._chosen()

    @property
    def collection(self) -> str:
        """Whose documents are read."""
        return self._made.first.place.collection

    @property
    def is_single(self) -> bool:
        """Is nothing joined?"""
        return not any(isinstance(step, Lookup) for step in self._made.steps)

    @property
    def joined(self) -> tuple[str, ...]:
        """Collections that are read besides."""
        found = (step.typed.place.collection for step in self._made.steps if isinstance(step, Lookup))
        return tuple(dict.fromkeys(found))

    def stages(self) -> list[Stage]:
        """Of the pipeline; each column that was asked for is a field with its typed value."""
        made = self._made
        stages: list[Stage] = [{"$match": made.before}] if made.before is not None else []
        stages += made.first.place.stages
        fields = made.first.fields()
        stages += [{"$project": {"_id": 0, **fields}}] if fields else []
        for step in made.steps:
            stages += step.stages()
        return stages

    def culprits(self) -> tuple[Culprit, ...]:
        """See ``pipelines.Pipeline``."""
        typed = [self._made.first, *(step.typed for step in self._made.steps if isinstance(step, Lookup))]
        return tuple(culprit for one in typed for culprit in one.culprits(one.names()))

    def _chosen(self) -> tuple[_Made, Computed]:
        """The first order of the tables that the source can carry out cheaply."""
        refused: RefusedError | None = None
        for order in self._orders():
            try:
                return _Build(self, order).made()
            except RefusedError as error:
                refused = refused or error
        assert refused is not None
        raise refused

    def _orders(self) -> Iterator[list[Member]]:
        yield self._members
        if len(self._members) == 1 or any(member.on is not None for member in self._members):
            return
        for first in sorted(self._members[1:], key=lambda one: -scanned_rows(one.table, [])):
            yield [first, *(one for one in self._members if one is not first)]


class _Build:
    """Makes the rows in one order of the tables."""

    def __init__(self, rows: Rows, order: Sequence[Member]) -> None:
        self._tables = rows._tables
        self._order = list(order)
        self._pool = [part for part in rows._pool if not has_query(part)]
        self._queries = [part for part in rows._pool if has_query(part)]
        self._made = _Made(TypedColumns(order[0].table, "f"))
        self._typed = {order[0].alias: self._made.first}
        self.computed = Computed(self._resolve, "e")
        self._expected = 1.0

    def made(self) -> tuple[_Made, Computed]:
        first = self._order[0]
        mine = self._take({first.alias})
        self._expected = scanned_rows(first.table, mine)
        self._made.before = coarse(mine, self._resolve)
        self._filter(mine)
        waiting = self._order[1:]
        while waiting:
            member = self._next(waiting)
            waiting.remove(member)
            self._join(member)
        for number, part in enumerate(self._queries):
            found = sub_query(part, self._tables)
            self._look_up(Lookup(found.kind, f"s{number}", found.table, found.own), part, found)
        self._filter(self._pool)
        return self._made, self.computed

    def _resolve(self, node: exp.Expr) -> Operand | None:
        if isinstance(node, exp.Column):
            typed = self._typed.get(node.table) if node.table else self._made.first
            return typed.resolve(node) if typed is not None else None
        inner = node.this if type(node) is exp.Cast else None
        return self._typed[inner.table].resolve(node) if isinstance(inner, exp.Column) and inner.table in self._typed else None

    def _take(self, aliases: set[str]) -> list[exp.Expr]:
        """The conditions that are about nothing else; they are not waited for any more."""
        found = [part for part in self._pool if used_aliases(part) <= aliases]
        self._pool = [part for part in self._pool if part not in found]
        return found

    def _filter(self, parts: Sequence[exp.Expr]) -> None:
        self._made.steps += plain_first([filtered(part, self.computed) for part in parts])

    def _next(self, waiting: Sequence[Member]) -> Member:
        """An inner join has its turn when something that is equal joins it with what is there."""
        return next((one for one in waiting if one.on is not None or self._links(one.alias, self._pool)), waiting[0])

    def _links(self, alias: str, parts: Sequence[exp.Expr]) -> list[tuple[exp.Expr, exp.Expr, exp.Expr]]:
        """(condition, its side about ``alias``, its side about the rows so far)."""
        found: list[tuple[exp.Expr, exp.Expr, exp.Expr]] = []
        for part in parts:
            if type(part) is not exp.EQ:
                continue
            for inner, outer in ((part.this, part.expression), (part.expression, part.this)):
                about = used_aliases(outer)
                if used_aliases(inner) == {alias} and about and about <= set(self._typed):
                    found.append((part, inner, outer))
                    break
        return found

    def _join(self, member: Member) -> None:
        pool = self._pool if member.on is None else list(member.on)
        own = [part for part in pool if used_aliases(part) == {member.alias}]
        links = self._links(member.alias, pool)
        if member.on is None:
            self._pool = [part for part in pool if part not in own and not any(part is link[0] for link in links)]
        elif len(own) + len(links) < len(pool):
            raise refuse(exp.and_(*(part.copy() for part in pool)), "join", "an outer join on more than what is equal")
        lookup = Lookup("inner" if member.on is None else "left", f"j{len(self._typed) - 1}", member.table, own)
        for node, inner, outer in links:
            lookup.join(node, inner, outer, self.computed)
        lookup.check(exp.column(member.alias), self._expected)
        self._made.steps.append(lookup)
        self._typed[member.alias] = lookup.typed
        if member.on is None:
            self._filter(self._take(set(self._typed)))

    def _look_up(self, lookup: Lookup, part: exp.Expr, found: SubQuery) -> None:
        for node, inner, outer in found.keys:
            lookup.join(node, inner, outer, self.computed)
        lookup.check(part, self._expected)
        self._made.steps.append(lookup)


def _parts(query: exp.Select, tables: Mapping[str, VirtualTable]) -> tuple[list[Member], list[exp.Expr]]:
    """The tables of FROM, and the conditions that every row must meet."""
    from_ = query.args.get("from_")
    members = [Member(*_table(query, from_.this if from_ is not None else None, tables))]
    where = query.args.get("where")
    pool = conjuncts(where.this if where is not None else None)
    for join in query.args.get("joins") or []:
        side, kind, on = (join.side or "").upper(), (join.kind or "").upper(), conjuncts(join.args.get("on"))
        if side not in ("", "LEFT") or kind not in ("", "INNER", "CROSS", "OUTER") or join.args.get("using"):
            raise refuse(join, "join", f"{side or kind} joins are not taken")
        members.append(Member(*_table(query, join.this, tables), tuple(on) if side else None))
        pool += [] if side else on
    return members, pool


def _table(query: exp.Select, source: exp.Expr | None, tables: Mapping[str, VirtualTable]) -> tuple[str, VirtualTable]:
    if not isinstance(source, exp.Table) or source.alias_or_name not in tables or source.args.get("joins"):
        raise refuse(query, "not_a_table", "FROM holds something that is no table of this source")
    if source.args.get("sample") or source.args.get("only"):
        raise refuse(query, "not_on_list", "samples are not taken")
    return source.alias_or_name, tables[source.alias_or_name]
