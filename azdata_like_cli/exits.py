"""The exit codes: listed here, printed into docs/reference/cli.md, tested."""

from __future__ import annotations

from bdc.errors import BdcError

OK = 0
USER_ERROR = 1
USAGE = 2
SERVICE = 3
AUTHENTICATION = 4
INTERNAL = 5
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143

MEANINGS: dict[int, str] = {
    OK: "done",
    USER_ERROR: "what was asked for can't be done: wrong input, no such object, no right, wrong SQL; `hdfs exists`: there is nothing",
    USAGE: "the command line itself is wrong: unknown command or option, missing argument; `plan`: something would change",
    SERVICE: "a service does not answer or answered that it can't; trying again may help",
    AUTHENTICATION: "not logged in, session expired, or name and password don't fit",
    INTERNAL: "a defect of this software; `--debug` shows where",
    INTERRUPTED: "ended by Ctrl-C",
    BROKEN_PIPE: "the reader of the output went away (`head`)",
    TERMINATED: "ended by SIGTERM",
}

BY_CATEGORY: dict[str, int] = {"user": USER_ERROR, "service": SERVICE, "authentication": AUTHENTICATION, "internal": INTERNAL}


def code_of(error: BdcError) -> int:
    """The exit code for an error of the SDK."""
    return BY_CATEGORY[error.category]
