"""The scratch PostgreSQL: exact by definition, because PostgreSQL itself runs the text."""

from virtualization.executors.scratch.executor import ScratchExecutor

__all__ = ["ScratchExecutor"]
