"""DuckDB as an executor: fast where it means the same as PostgreSQL, which an allow list decides; it refuses everything else."""

from virtualization.executors.duckdb.executor import DuckDbExecutor

__all__ = ["DuckDbExecutor"]
