"""What aggregates and windows the generator writes: each has one certain outcome, given what stands beside it."""

from __future__ import annotations

import re

from virtualization.verify.kinds import Kind

AGGREGATES: dict[Kind, tuple[str, ...]] = {
    Kind.INTEGER: ("sum({0})", "avg({0})", "min({0})", "max({0})", "count(DISTINCT {0})", "sum(DISTINCT {0})", "round(avg({0}), 2)",
                   "sum({0}) / count(*)", "sum({0}::numeric) * 2", "bit_or({0})", "bit_and({0})", "stddev_pop({0}::numeric)",
                   "var_samp({0})", "array_agg({0} ORDER BY {0})", "percentile_disc(0.5) WITHIN GROUP (ORDER BY {0})",
                   "mode() WITHIN GROUP (ORDER BY {0})"),
    Kind.NUMERIC: ("sum({0})", "avg({0})", "count({0})", "sum({0} * 2)", "round(avg({0}), 3)", "sum({0}) / nullif(count({0}), 0)"),
    Kind.FLOAT: ("sum({0})", "avg({0})", "min({0})", "max({0})", "count({0})"),
    Kind.TEXT: ("min({0})", "max({0})", "count({0})", "count(DISTINCT {0})", "string_agg({0}, ',' ORDER BY {0})",
                "string_agg(DISTINCT {0}, ',' ORDER BY {0} DESC)", "array_agg({0} ORDER BY {0})", "max(upper({0}))"),
    Kind.DATE: ("min({0})", "max({0})", "count(DISTINCT {0})", "max({0}) - min({0})"),
    Kind.TIMESTAMP: ("min({0})", "max({0})", "count({0})"),
    Kind.INSTANT: ("min({0})", "max({0})", "count({0})"),
    Kind.BOOLEAN: ("bool_or({0})", "bool_and({0})", "every({0})", "count({0})"),
    Kind.OTHER: ("count({0})",),
}  # fmt: skip
NOT_OVER = re.compile("DISTINCT|ORDER")
"""What no aggregate over a window takes."""

NUMBERED = ("row_number()", "lag({0})", "lead({0}, 2)", "first_value({0})", "last_value({0})", "ntile(3)", "nth_value({0}, 2)",
            "count({0})", "max({0})")  # fmt: skip
"""Need a total order."""
RANKED = ("rank()", "dense_rank()", "count({0})", "max({0})", "percent_rank()", "cume_dist()")
FRAMES = ("ROWS BETWEEN 1 PRECEDING AND CURRENT ROW", "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
          "ROWS BETWEEN 2 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW", "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING")  # fmt: skip
DIRECTIONS = ("", "", " DESC", " NULLS FIRST", " DESC NULLS LAST", " ASC NULLS LAST", " DESC NULLS FIRST")
