"""Where passwords come from: the environment, standard input, or a prompt; never an argument."""

from __future__ import annotations

import getpass
import os
import re
import secrets
import sys
from typing import TextIO

from bdc.errors import AuthenticationError, UserError

VARIABLES = ("BDC_PASSWORD", "AZDATA_PASSWORD")
OURS = re.compile(r"(BDC|AZDATA)_(\w+_)?PASSWORD")


def from_environment(*more: str) -> str | None:
    """The first of the named variables and BDC_PASSWORD, AZDATA_PASSWORD that is set."""
    return next((value for name in (*more, *VARIABLES) if (value := os.environ.get(name))), None)


def environment_without() -> dict[str, str]:
    """Of this process, for a program that it starts: who may look at that one's environment finds no password there."""
    return {name: value for name, value in os.environ.items() if name != "PGPASSWORD" and not OURS.fullmatch(name)}


def standard_input() -> TextIO:
    """Standard input; UserError when it is closed."""
    if sys.stdin is None or sys.stdin.closed:
        raise UserError("standard input is closed", hint="give it a file or a pipe: bdc … < FILE")
    return sys.stdin


def from_stdin() -> str:
    """The first line of standard input."""
    password = standard_input().readline().rstrip("\r\n")
    if not password:
        raise UserError("standard input held no password", hint="printf '%s\\n' \"$PASSWORD\" | bdc … --password-stdin")
    return password


def prompt(question: str, *, variable: str = "BDC_PASSWORD", confirm: bool = False) -> str:
    """Ask on the terminal, without echo. AuthenticationError when there is no terminal to ask on."""
    if not can_ask():
        raise AuthenticationError(
            "a password is needed, and there is no terminal to ask on",
            hint=f"set {variable}, or use --password-stdin where the command has it",
        )
    try:
        password = getpass.getpass(f"{question}: ")
        if confirm and getpass.getpass(f"{question} (again): ") != password:
            raise UserError("the two passwords differ", hint="try again")
    except EOFError as error:
        raise UserError("the input ended before a password was given") from error
    if not password:
        raise UserError("an empty password is refused")
    return password


def can_ask() -> bool:
    """Whether somebody sits at standard input."""
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:  # closed
        return False


def generated() -> str:
    """A password of 120 random bits that can be typed."""
    return "-".join(secrets.token_hex(3) for _ in range(5))
