"""``python -m controller.metrics_reference`` prints ``docs/reference/metrics.md``: every metric, from the tables of the services.

A test holds page and code together, and another that the alert rules and the dashboard name nothing that is not in it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from controller import metrics, metrics_hdfs, metrics_master, metrics_scrape
from pools.app import metric_table as app
from pools.app.tracking import metric_table as tracking
from pools.compute import metric_table as compute
from pools.data import metric_table as data
from pools.exposition import BOUNDS, Metric
from pools.gateway import metric_table as gateway

Part = tuple[str, str, Sequence[Metric]]
PARTS: tuple[Part, ...] = (
    ("The cluster and its controller", "Also at `/metrics` of the controller alone.", metrics.TABLE),
    ("Who was asked", "Told by whoever gathers: one row per workload that has metrics and is wanted.", metrics_scrape.TABLE),
    ("Master", "Read from PostgreSQL's statistics.", metrics_master.TABLE),
    ("Compute pool", "Of each replica.", compute.TABLE),
    ("Data pool", "Of each shard.", data.TABLE),
    ("App pool", "Of the proxy, each version of an app by its labels `app` and `version`.", app.TABLE),
    ("MLflow tracking", "Of the proxy in front of MLflow.", tracking.TABLE),
    (
        "Gateway",
        "Told to the controller alone, by a socket: its public address has no `/metrics` (404).",
        gateway.TABLE,
    ),
    (
        "HDFS",
        "A choice of what Hadoop tells at `/prom` of each daemon, in our names and units: those of all of HDFS by the NameNode "
        "(`nmnode-0`), `openbdc_hdfs_datanode_…` by each DataNode, heap and garbage by both.",
        metrics_hdfs.TABLE,
    ),
)
HEAD = f"""# Metrics

<!-- made by python -m controller.metrics_reference; a test fails when it differs from the code -->

`GET /api/v1/bdc/metrics` of the controller gives all of them as one text: see [the guide](../guide/observability.md).
Each sample of a service has the label `workload` (`compute-0`, `data-1`, …) beside those named. Counters begin at 0 with their process.
A histogram `NAME` is told as `NAME_bucket` (upper bounds {", ".join(f"{bound:g}" for bound in BOUNDS)} s), `NAME_sum` and `NAME_count`.
"""


def names() -> frozenset[str]:
    """Of all samples that there can be, those of histograms as Prometheus has them."""
    every = [metric for _, _, table in PARTS for metric in table]
    histograms = {metric.name + suffix for metric in every if metric.kind == "histogram" for suffix in ("_bucket", "_sum", "_count")}
    return frozenset(metric.name for metric in every if metric.kind != "histogram") | histograms


def labels(name: str) -> frozenset[str]:
    """Those that a sample of this name has."""
    base = next((name.removesuffix(end) for end in ("_bucket", "_sum", "_count") if name.endswith(end)), name)
    found = next(metric for _, _, table in PARTS for metric in table if metric.name in (name, base))
    bucket = {"le"} if name.endswith("_bucket") else set()
    return frozenset({"workload", *found.labels, *bucket})


def page() -> str:
    """The page."""
    return "\n".join((HEAD, *(_part(*part) for part in PARTS)))


def _part(title: str, words: str, table: Sequence[Metric]) -> str:
    rows = "".join(
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |\n" for metric in table
    )
    return f"## {title}\n\n{words}\n\n| name | kind | labels | what |\n|---|---|---|---|\n{rows}"


if __name__ == "__main__":
    sys.stdout.write(page())
