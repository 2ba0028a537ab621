"""How a connector says, from deep inside of an expression, that it is not sent to the source."""

from __future__ import annotations

from sqlglot import exp

from virtualization.plan import Kept


class RefusedError(Exception):
    """This part of a query does not run at the source; ``kept`` says why."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(kept.why)
        self.kept = kept


def refuse(node: exp.Expr, code: str, why: str, fix: str | None = None) -> RefusedError:
    """The reason why ``node`` stays here, to be raised."""
    return RefusedError(Kept(node.sql("postgres"), code, why, fix))
