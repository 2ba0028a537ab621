"""A query that is taken, told in the source's words where its collation or its letters are others than ours."""

from __future__ import annotations

from sqlglot import exp

from virtualization.connectors.postgresql.conditions import by_places, first_argument, order_key, row_of
from virtualization.connectors.postgresql.facts import Facts
from virtualization.connectors.postgresql.functions import LETTERS
from virtualization.connectors.postgresql.kinds import Type, is_string, is_text, kind, operands, orders_text

CODE_POINTS = '"C"'
UNICODE = 'pg_catalog."pg_c_utf8"'
_COMPARING = (exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.Min, exp.Max, exp.Least, exp.Greatest)
_LETTERS = (exp.ILike, exp.RegexpLike, exp.RegexpILike, exp.SimilarTo, exp.Substring)


def collate(query: exp.Query | exp.Expr, facts: Facts) -> exp.Expr:
    """A copy in which every ordering of texts says ``COLLATE "C"`` and every use of letters the Unicode collation, where the source's
    own collation does otherwise. ``rewrites.refusal`` must have been None."""
    made: exp.Expr = query.copy()
    order = CODE_POINTS
    if not facts.same_character_classes:
        for call in _upwards(made, exp.Expr):
            if _knows_letters(call):
                _collate_first(call, UNICODE)
                order = UNICODE  # which orders by code point, too; two collations in one expression would be an error
    if not facts.orders_by_code_point:
        made = _ordered_outputs(made)
        for node in _upwards(made, *_COMPARING):
            if orders_text(_compared(node)):
                _collate_first(node, order)
        for key in _upwards(made, exp.Ordered):
            inner = order_key(key).unalias()
            if orders_text([inner]) and not (isinstance(inner, exp.Literal) and not inner.is_string):
                key.set("this", _collate_argument(key, order) or _collated(inner.copy(), order))
    return made


def _knows_letters(node: exp.Expr) -> bool:
    row = row_of(node)
    return (isinstance(node, _LETTERS) and not (isinstance(node, exp.Substring) and by_places(node))) or (
        row is not None and LETTERS in row.needs
    )


def _collate_argument(key: exp.Expr, collation: str) -> exp.Expr | None:
    """An aggregate with DISTINCT is ordered by its arguments only, so they say the collation, too; the key as they are now."""
    order = key.parent
    assert order is not None
    distinct = order.this
    for item in distinct.expressions if isinstance(distinct, exp.Distinct) else []:
        if item == key.this:
            # string_agg makes its argument a text, by a cast that the key would lack
            casts = isinstance(order.parent, exp.GroupConcat) and kind(item) != Type.TEXT
            made = _collated(exp.cast(item.copy(), "text", dialect="postgres") if casts else item.copy(), collation)
            item.replace(made)
            return made.copy()
    return None


def _upwards(root: exp.Expr, *kinds: type[exp.Expr]) -> list[exp.Expr]:
    """Inner nodes before those around them."""
    return list(root.find_all(*kinds))[::-1]


def _compared(node: exp.Expr) -> list[exp.Expr]:
    return [part.expressions[0] if isinstance(part, exp.Distinct) else part for part in operands(node)]


def _collate_first(node: exp.Expr, collation: str) -> None:
    found = first_argument(node)
    first = found.expressions[0] if isinstance(found, exp.Distinct) else found
    if first is not None and (is_text(first) or is_string(first.unnest())):
        place = exp.Null()
        first.replace(place)
        place.replace(_collated(first, collation))


def _collated(node: exp.Expr, collation: str) -> exp.Expr:
    made = exp.Collate(this=exp.Paren(this=node) if isinstance(node, exp.Binary) else node, expression=exp.Var(this=collation))
    made.type = node.type
    return made


def _ordered_outputs(query: exp.Expr) -> exp.Expr:
    """ORDER BY of a set operation or of SELECT DISTINCT takes outputs only, no COLLATE: such a query becomes a derived table, and the
    order goes above it."""
    for node in list(query.find_all(exp.SetOperation, exp.Select)):
        if not _takes_outputs_only(node):
            continue
        above = _above(node)
        if node is query:
            query = above
        else:
            node.replace(above)
    return query


def _takes_outputs_only(node: exp.Expr) -> bool:
    order, distinct = node.args.get("order"), node.args.get("distinct")
    if order is None or not any(orders_text([order_key(key).unalias()]) for key in order.expressions):
        return False
    return isinstance(node, exp.SetOperation) or (isinstance(distinct, exp.Distinct) and distinct.args.get("on") is None)


def _above(node: exp.Expr) -> exp.Select:
    names = [item.alias_or_name for item in node.selects]  # type: ignore[attr-defined]
    inner = node.copy()
    order = inner.args["order"]
    columns: list[exp.Column] = []
    for number, item in enumerate(inner.selects):  # type: ignore[attr-defined]
        column = exp.column(f"c{number}", table="q", quoted=True)
        column.type = item.type
        columns.append(column)
    keys = [_output(key, node, columns) for key in order.expressions]
    made = exp.Select(expressions=[exp.alias_(column.copy(), name, quoted=True) for column, name in zip(columns, names, strict=True)])
    for part in ("order", "limit", "offset"):
        value = inner.args.get(part)
        inner.set(part, None)
        if part != "order" and value is not None:
            made.set(part, value)
    for key, column in zip(order.expressions, keys, strict=True):
        key.set("this", column)
    made.set("order", order)
    alias = exp.TableAlias(
        this=exp.to_identifier("q", quoted=True), columns=[exp.to_identifier(column.name, quoted=True) for column in columns]
    )
    made.set("from_", exp.From(this=exp.Subquery(this=inner, alias=alias)))
    return made


def _output(key: exp.Expr, node: exp.Expr, columns: list[exp.Column]) -> exp.Column:
    """Which output a key is: DISTINCT and set operations allow no other."""
    wanted = order_key(_at_home(key, node)).unalias()
    for item, column in zip(node.selects, columns, strict=True):  # type: ignore[attr-defined]
        if item.unalias() == wanted:
            found = column.copy()
            found.type = column.type
            return found
    raise AssertionError("ORDER BY names no output")


def _at_home(key: exp.Expr, node: exp.Expr) -> exp.Expr:
    """The key's twin in the query that was not copied."""
    return node.args["order"].expressions[key.index]  # type: ignore[no-any-return]
