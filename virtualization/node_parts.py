"""Parts of syntax nodes that are looked at: a node with any other part means something else than what would be written for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from sqlglot import exp

from virtualization.refusal import refuse

_QUERY = {"with_", "distinct", "order", "limit", "offset"}
_Branch = TypeVar("_Branch")
_PLAIN = {"this", "expression", "expressions"}
_MORE: Mapping[type[exp.Expr], set[str]] = {
    exp.Between: {"low", "high"},
    exp.Case: {"ifs", "default"},
    exp.Cast: {"to"},
    exp.Column: {"table"},
    exp.Count: {"big_int"},
    exp.DPipe: {"safe"},
    exp.Div: {"typed", "safe"},
    exp.Except: _QUERY,
    exp.If: {"true"},
    exp.In: {"query"},
    exp.Intersect: _QUERY,
    exp.Is: {"negate"},
    exp.Join: {"on", "side", "kind"},
    exp.Lag: {"offset"},
    exp.Lead: {"offset"},
    exp.Left: {"negative_length_returns_empty"},  # only positive lengths are taken
    exp.Like: {"negate"},
    exp.Literal: {"is_string"},
    exp.Ordered: {"desc", "nulls_first"},
    exp.Round: {"decimals"},
    exp.Select: _QUERY | {"from_", "joins", "where", "group", "having"},
    exp.StrPosition: {"substr"},
    exp.Subquery: {"alias"},
    exp.Substring: {"start", "length"},
    exp.Table: {"alias", "db", "catalog"},
    exp.TimestampTrunc: {"unit", "input_type_preserved"},
    exp.Trim: {"position"},
    exp.Union: _QUERY,
    exp.Window: {"partition_by", "order", "spec", "over"},
    exp.WindowSpec: {"kind", "start", "start_side", "end", "end_side"},
}


def check(node: exp.Expr) -> None:
    """RefusedError where ``node`` has a part that nobody looks at."""
    known = _PLAIN | _MORE.get(type(node), set())
    for name, part in node.args.items():
        if name not in known and part not in (None, False, []):
            raise refuse(node, "not_on_list", f"{name.strip('_')} is not taken here")


def asked_for_types(node: exp.Expr, values: Sequence[_Branch]) -> list[_Branch]:
    """``values`` of the branches that are no NULL, in the order in which PostgreSQL asks for their types: ELSE comes first."""
    default = node.args.get("default")
    return [*values] if default is None or isinstance(default.unnest(), exp.Null) else [values[-1], *values[:-1]]
