"""Which version of which app a command means: ``NAME@VERSION``, or the original's ``--name`` and ``--version``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from azdata_like_cli.command import argument
from bdc.errors import UserError

LIVE = "live"
Function = Callable[..., Any]


def named(*, default: str | None) -> Callable[[Function], Function]:
    """Gives a command ``name`` and ``version``; ``default``: the version where none is named; None: it must be named."""

    def decorate(function: Function) -> Function:
        @argument("app", needed=False, metavar="NAME@VERSION")
        @click.option("--name", "-n", help="Name of the app, in place of NAME@VERSION.")
        @click.option("--version", "-v", "version", help="Its version; live is the one that is live.")
        @functools.wraps(function)
        def found(*given: object, app: str | None, name: str | None, version: str | None, **more: object) -> object:
            chosen, number = resolved(app, name, version, default)
            return function(*given, name=chosen, version=number, **more)

        return found

    return decorate


def resolved(app: str | None, name: str | None, version: str | None, default: str | None) -> tuple[str, str]:
    """Name and version. UserError."""
    if app is not None:
        if name is not None:
            raise UserError("the app is named twice", where="--name", hint=f"write just {app}")
        name, at, number = app.partition("@")
        if at and version is not None:
            raise UserError("the version is named twice", where="--version", hint=f"write just {app}")
        version = number if at else version
    if not name:
        raise UserError("which app?", where="NAME@VERSION", hint="write it as house@v1; 'bdc app list' shows what there is")
    if version is None:
        version = default
    if not version:
        raise UserError(f"which version of {name}?", where="NAME@VERSION", hint=f"'bdc app list -n {name}' shows them")
    return name, version
