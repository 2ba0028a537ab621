"""What the master kept, read from plans as EXPLAIN prints them. Plans of a real master: test_told.py."""

from __future__ import annotations

from typing import Any

import pytest

from pools.compute.master_plans import kept_by_master

REQUEST = "SELECT ordinal, response FROM bdc.compute_request WHERE ((request = '…'::text))"


def scan(remote: str = "SELECT id FROM public.orders", **more: Any) -> dict[str, Any]:
    return {"Node Type": "Foreign Scan", "Schema": "public", "Alias": "orders", "Output": ["id"], "Remote SQL": remote, **more}


def node(kind: str, *plans: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Node Type": kind, "Output": ["id"], "Plans": list(plans), **more}


LOCAL = {"Node Type": "Seq Scan", "Schema": "public", "Relation Name": "mine", "Alias": "m", "Output": ["id"]}


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (scan(), []),
        (LOCAL, []),
        (node("Limit", LOCAL), []),
        (scan(REQUEST, Output=["(response)::jsonb"]), []),
        (scan(Output=['"Order Id"', "orders.id", "(id)"]), []),
        (scan(Output=["id", "abs(id)", "(id + 1)"]), [("fdw_select_list", "abs(id), (id + 1)")]),
        (scan("SELECT count(*) FROM public.orders", Output=["(count(*))"], Relations="Aggregate on (public.orders)"), []),
        (scan(Filter="(now() > at)"), [("fdw_filter", "(now() > at)")]),
        (node("Sort", scan(), **{"Sort Key": ["id"]}), [("fdw_order", "ORDER BY id")]),
        (
            node("Limit", node("Sort", scan(Filter="f(id)"), **{"Sort Key": ["id"]})),
            [("fdw_above", "LIMIT"), ("fdw_above", "ORDER BY id"), ("fdw_filter", "f(id)")],
        ),
        (
            node("WindowAgg", node("Sort", scan(), **{"Sort Key": ["id"]}), Output=["id", "rank() OVER w1"]),
            [("fdw_window", "rank() OVER w1")],
        ),
        (
            node("Hash Join", scan(), node("Hash", LOCAL), **{"Hash Cond": "(orders.id = m.id)"}),
            [("fdw_local_table", "(orders.id = m.id)")],
        ),
        (node("Hash Join", scan(), node("Hash", scan()), **{"Hash Cond": "(a.id = b.id)"}), [("fdw_join", "(a.id = b.id)")]),
        (node("Aggregate", scan(), Output=["id", "count(*)"], **{"Group Key": ["id"]}), [("fdw_cost", "count(*) GROUP BY id")]),
        (node("Aggregate", scan(), Output=["my_agg(id)"]), [("fdw_aggregate", "my_agg(id)")]),
        (node("Aggregate", scan(), **{"Group Key": ["id"]}), [("fdw_distinct", "DISTINCT id")]),
        (node("Append", scan(), LOCAL), [("fdw_set_operation", "Append")]),
        (node("Result", scan(), Output=["upper(name)"]), [("fdw_select_list", "upper(name)")]),
        (node("Append", {**scan(), "Subplan Name": "CTE x"}), [("fdw_set_operation", "Append"), ("fdw_sub_query", "CTE x")]),
        (
            node("ModifyTable", scan(), Operation="Insert", **{"Remote SQL": "INSERT INTO public.t(id) VALUES ($1)"}),
            [("fdw_write", "INSERT")],
        ),
        (node("ModifyTable", scan("DELETE FROM public.t WHERE ((id = 3))", Operation="Delete"), Operation="Delete"), []),
        (
            node("ModifyTable", scan(), Operation="Delete", **{"Remote SQL": "DELETE FROM public.t WHERE ctid = $1"}),
            [("fdw_write", "DELETE")],
        ),
    ],
)
def test_what_was_kept(plan: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    kept = kept_by_master({"Plan": plan})
    assert [(one.code, one.what) for one in kept] == expected
    assert all(one.why for one in kept)
