"""How residual SQL names fragments."""

from __future__ import annotations

from sqlglot import exp


def fragment_name(number: int) -> str:
    """The name under which residual SQL reads a fragment."""
    return f"__f{number}"


def fragment_number(node: exp.Expr) -> int | None:
    """Which fragment an item of FROM reads as it is; None: it is something else."""
    number = node.name.removeprefix("__f") if isinstance(node, exp.Table) and not node.db else ""
    return int(number) if number.isdigit() and node.name == fragment_name(int(number)) else None
