"""HDFS's metrics: a choice of what Hadoop tells itself at ``/prom``, under names and in units like all others.

Hadoop's own text is no good as it is: it repeats series, puts counters and paths of folders into labels (each value a series of its own
at Prometheus), and tells a thousand things by names that say nothing of units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from controller.metrics_merge import told
from pools.exposition import Book, Kind, Metric, Sample, text

MEGABYTE = float(1 << 20)
MILLISECONDS = 0.001
NAMENODE = "fs_namesystem_"
DATASET = "org_apache_hadoop_hdfs_server_datanode_fsdataset_impl_fs_dataset_impl_"


@dataclass(frozen=True)
class Chosen:
    """``hadoop``: its name there; times ``factor`` it is ``metric``."""

    hadoop: str
    metric: Metric
    factor: float = 1.0


def _chosen(hadoop: str, name: str, kind: Kind, help_: str, factor: float = 1.0) -> Chosen:
    return Chosen(hadoop, Metric(f"openbdc_hdfs_{name}", kind, help_), factor)


CHOSEN = (
    _chosen(NAMENODE + "capacity_total", "capacity_bytes", "gauge", "Disk space of all DataNodes that HDFS may use or others use there."),
    _chosen(NAMENODE + "capacity_used", "used_bytes", "gauge", "Disk space that HDFS uses, all copies counted."),
    _chosen(NAMENODE + "capacity_remaining", "free_bytes", "gauge", "Disk space that HDFS may still use."),
    _chosen(NAMENODE + "files_total", "files", "gauge", "Files and folders."),
    _chosen(NAMENODE + "blocks_total", "blocks", "gauge", "Blocks of all files."),
    _chosen(NAMENODE + "missing_blocks", "missing_blocks", "gauge", "Blocks of which no copy is there: their files can't be read."),
    _chosen(NAMENODE + "corrupt_blocks", "corrupt_blocks", "gauge", "Blocks with copies that are damaged."),
    _chosen(NAMENODE + "low_redundancy_blocks", "low_redundancy_blocks", "gauge", "Blocks with fewer copies than wanted."),
    _chosen(NAMENODE + "num_live_data_nodes", "live_datanodes", "gauge", "DataNodes that report."),
    _chosen(NAMENODE + "num_dead_data_nodes", "dead_datanodes", "gauge", "DataNodes that have stopped reporting."),
    _chosen(
        NAMENODE + "last_checkpoint_time", "last_checkpoint_time_seconds", "gauge",
        "When the NameNode last wrote its whole state, Unix time: a start has to replay what came since.", MILLISECONDS,
    ),
    _chosen(
        NAMENODE + "transactions_since_last_checkpoint", "transactions_since_checkpoint", "gauge", "Changes that a start would replay."
    ),
    _chosen("rpc_call_queue_length", "rpc_queue_length", "gauge", "Calls that wait for a thread of the daemon."),
    _chosen("jvm_metrics_mem_heap_used_m", "heap_used_bytes", "gauge", "Java heap in use, garbage included.", MEGABYTE),
    _chosen("jvm_metrics_mem_heap_max_m", "heap_limit_bytes", "gauge", "Java heap at most.", MEGABYTE),
    _chosen("jvm_metrics_gc_time_millis", "gc_seconds_total", "counter", "Time that the daemon stood still for garbage.", MILLISECONDS),
    _chosen("datanode_bytes_read", "datanode_read_bytes_total", "counter", "Bytes of blocks that the DataNode read for clients."),
    _chosen("datanode_bytes_written", "datanode_written_bytes_total", "counter", "Bytes of blocks that it wrote."),
    _chosen("datanode_volume_failures", "datanode_volume_failures_total", "counter", "Disks that failed."),
    _chosen(DATASET + "capacity", "datanode_capacity_bytes", "gauge", "Disk space of this DataNode."),
    _chosen(DATASET + "remaining", "datanode_free_bytes", "gauge", "Disk space that it may still use."),
)  # fmt: skip
TABLE = tuple(one.metric for one in CHOSEN)
_BY_NAME = {one.hadoop: one for one in CHOSEN}


def reading(read: Callable[[float], str]) -> Callable[[float], str]:
    """What a scrape calls; ``read`` gives Hadoop's text."""
    return lambda seconds: translated(read(seconds))


def translated(hadoop: str) -> str:
    """From Hadoop's text. A series that it repeats is taken once."""
    return text([one.metric for one in CHOSEN if f"\n{one.hadoop}{{" in hadoop], Book(), [lambda: _samples(hadoop)]).decode()


def _samples(hadoop: str) -> Iterator[Sample]:
    seen: set[str] = set()
    for line in told(hadoop):
        one = _BY_NAME.get(line.name)
        if one is not None and line.name not in seen:
            seen.add(line.name)
            yield one.metric, (), float(line.value) * one.factor
