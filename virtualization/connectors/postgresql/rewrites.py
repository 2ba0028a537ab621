"""What this connector takes: an allow list of syntax, functions by a table, and the conditions under which each means the same there.

Whatever is listed nowhere is refused. Each refusal is a ``Kept`` with its reason, and has a test that the statement then stayed here.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from virtualization.connectors.postgresql.collations import collate
from virtualization.connectors.postgresql.conditions import CONDITIONS, function, keep, row_of
from virtualization.connectors.postgresql.facts import Facts
from virtualization.connectors.postgresql.functions import CLASSES, ZONE
from virtualization.connectors.postgresql.kinds import ZONED, kind
from virtualization.plan import Kept

__all__ = ["PLAIN", "collate", "looks_at_zone", "refusal"]

PLAIN: Mapping[type[exp.Expr], str] = {
    # structure
    exp.From: "", exp.Where: "", exp.Group: "sets of groups mean the same", exp.Having: "", exp.Order: "", exp.Offset: "",
    exp.Subquery: "", exp.Exists: "", exp.Union: "", exp.Intersect: "", exp.Except: "", exp.CTE: "", exp.Table: "", exp.TableAlias: "",
    exp.Alias: "", exp.Identifier: "", exp.Column: "", exp.Star: "in count(*)", exp.Paren: "", exp.Tuple: "", exp.Filter: "",
    exp.Rollup: "", exp.Cube: "", exp.GroupingSets: "", exp.Values: "", exp.Window: "its keys are ORDER BY's", exp.WindowSpec: "",
    exp.WithinGroup: "its key is ORDER BY's",
    # values
    exp.Literal: "standard_conforming_strings is on there", exp.ByteString: "E'…'", exp.Boolean: "", exp.Null: "", exp.DataType: "",
    exp.DataTypeParam: "", exp.Interval: "fixed intervalstyle", exp.Var: "units", exp.Array: "", exp.Bracket: "of arrays", exp.Slice: "",
    # logic and comparison (equality of texts: deterministic collations only, see ``facts``)
    exp.And: "", exp.Or: "", exp.Not: "", exp.Is: "", exp.Case: "", exp.If: "a branch of CASE", exp.Coalesce: "", exp.Nullif: "",
    exp.Any: "", exp.All: "", exp.Like: "code points, under deterministic collations", exp.Escape: "",
    # arithmetic: the same code on both sides, integer division and overflow errors included
    exp.Mul: "", exp.Div: "", exp.Mod: "", exp.Neg: "", exp.BitwiseAnd: "", exp.BitwiseOr: "", exp.BitwiseXor: "", exp.BitwiseNot: "",
    exp.BitwiseLeftShift: "", exp.BitwiseRightShift: "",
    # JSON, arrays, ranges
    exp.JSONExtract: "", exp.JSONExtractScalar: "", exp.JSONBExtract: "", exp.JSONBExtractScalar: "", exp.JSONPath: "",
    exp.JSONPathRoot: "",
    exp.JSONPathKey: "", exp.JSONPathSubscript: "", exp.JSONBContainsTopKey: "", exp.JSONBContainsAnyTopKeys: "",
    exp.JSONBContainsAllTopKeys: "", exp.ArrayContainsAll: "@>", exp.ArrayContainedBy: "<@", exp.ArrayOverlaps: "&&",
}  # fmt: skip
"""Syntax taken as it is; the notes say what makes it safe."""


def refusal(query: exp.Expr, facts: Facts) -> Kept | None:
    """Why ``query`` (with types annotated) can't run at a source with these ``facts``; None: it can."""
    for node in query.walk():
        found = _refused(node, facts)
        if found is not None:
            return found
    return None


def _refused(node: exp.Expr, facts: Facts) -> Kept | None:
    check = CONDITIONS.get(type(node))
    if check is not None:
        return check(node, facts)
    if type(node) in CLASSES or isinstance(node, exp.Anonymous):
        return function(node, facts)
    if type(node) in PLAIN:
        return None
    return keep(node, "not_on_list", f"{type(node).__name__} is not on the connector's list")


def looks_at_zone(query: exp.Expr) -> bool:
    """May the answer depend on the session's time zone?"""
    for node in query.walk():
        if kind(node) in ZONED or (isinstance(node, exp.DataType) and node.this in ZONED):
            return True
        row = row_of(node)
        if row is not None and ZONE in row.needs:
            return True
    return False
