"""``spec.pools.storage``: HDFS and Spark."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from controller.spec.section import Section


class Spark(Section):
    """Spark beside HDFS: a Spark Connect server that starts on first use, and jobs. Needs the extra ``spark`` (docs/guide/spark.md)."""

    enabled: bool = True
    """Whether Spark may be started. Until somebody does (`bdc spark start`, `bdc spark submit`) nothing of it runs."""
    servers: Annotated[int, Field(ge=1, le=20)] = 1
    """Connect servers at most. 1: one for all admins, who are the first admin in HDFS. More: each admin has one of his own, with a token of
    its own, in which he is himself in HDFS; so many may run at once."""
    memory_megabytes: Annotated[int, Field(ge=512, le=1048576)] = 1024
    """Megabytes of the Java heap of each Connect server, and of each job."""
    cores: Annotated[int, Field(ge=1, le=1024)] = 2
    """Tasks that the Connect server, and each job, runs at once."""
    jobs: Annotated[int, Field(ge=1, le=100)] = 2
    """Jobs that run at once; the next ones wait in the order in which they were submitted."""
    idle_minutes: Annotated[int, Field(ge=1, le=10080)] | None = 60
    """Minutes without a connected client after which the Connect server stops; temporary views and cached tables of its sessions end with
    it. null: it runs until `bdc spark stop`."""
    conf: dict[str, str] = Field(default={})
    """More of Spark's settings (`spark-defaults.conf`), for the Connect server and all jobs: name → value, both texts."""


class StoragePool(Section):
    """The storage pool: HDFS and Spark."""

    enabled: bool = True
    """Whether HDFS runs. false: no Java is needed and about 400 MB of memory are saved; the data folders stay."""
    data_nodes: Annotated[int, Field(ge=1, le=20)] = 2
    """DataNodes; 2 by default so that the loss of one is survived."""
    replication: Annotated[int, Field(ge=1, le=20)] = 2
    """Copies of each block; at most ``dataNodes``. 2 by default: each file is on both DataNodes."""
    name_node_memory_megabytes: Annotated[int, Field(ge=64, le=1048576)] = 96
    """Megabytes of the NameNode's Java heap: enough for some hundred thousand files and blocks; 1 GB carries about a million."""
    data_node_memory_megabytes: Annotated[int, Field(ge=48, le=1048576)] = 64
    """Megabytes of the Java heap of each DataNode."""
    reachable_by: Literal["cluster", "machine"] = "cluster"
    """Which OS users of the machine reach HDFS's own ports, where any name is believed. cluster: root and the cluster's own; people come
    through the gateway. machine: all, for clients of HDFS that run as other OS users. On one machine, for clusters that root made."""
    spark: Spark = Spark()
    """Spark, which starts on first use."""
