"""Entry point: runs a command line and turns whatever comes out of it into an exit code and, if need be, one clear message."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

from azdata_like_cli import exits, output
from azdata_like_cli.command import Settings
from azdata_like_cli.spellings import modern
from azdata_like_cli.tree import root
from bdc.errors import BdcError, InternalError, UserError

NAME = "bdc"
COMPLETION = "_BDC_COMPLETE"


class Terminated(BaseException):
    """SIGTERM arrived; unwinds like Ctrl-C so that partial files are removed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``arguments`` (default: the process's) and return the exit code; see ``exits.MEANINGS``."""
    settings = Settings()
    _open_closed_streams()
    previous = _on_sigterm()
    try:
        code = run(modern(sys.argv[1:] if arguments is None else arguments), settings)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return _stdout_gone()
    except KeyboardInterrupt as interrupt:
        for said in interrupt.args:  # what was left behind, if anything
            if isinstance(said, BdcError):
                output.error(said)
        return exits.INTERRUPTED
    except Terminated:
        return exits.TERMINATED
    finally:
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)


def run(words: list[str], settings: Settings) -> int:
    """The command itself; errors are told here."""
    try:
        return _invoke(words, settings)
    except click.exceptions.Exit as finished:
        return finished.exit_code
    except click.exceptions.NoArgsIsHelpError as failure:
        output.message(failure.format_message())
        return exits.USAGE
    except click.UsageError as failure:
        path = failure.ctx.command_path if failure.ctx is not None else _command_of(words)
        output.error(UserError(failure.format_message(), hint=f"{path} --help"))
        return exits.USAGE
    except click.Abort as failure:
        if isinstance(failure.__cause__ or failure.__context__, EOFError):  # click's prompts end so
            output.error(UserError("the input ended before the question was answered", hint="--yes answers questions beforehand"))
            return exits.USER_ERROR
        return exits.INTERRUPTED
    except BdcError as failure:
        _trace(settings)
        output.error(failure)
        return exits.code_of(failure)
    except BrokenPipeError:
        raise
    except OSError as failure:
        _trace(settings)
        where = str(failure.filename) if failure.filename else "standard output" if failure.errno == errno.ENOSPC else None
        output.error(UserError(failure.strerror or str(failure), where=where))
        return exits.USER_ERROR
    except Exception as failure:  # noqa: BLE001 - the border: whatever is left is a defect, told as such
        _trace(settings)
        output.error(
            InternalError(
                f"internal error: {type(failure).__name__}: {failure}", hint="run it again with --debug and report what it prints"
            )
        )
        return exits.INTERNAL


def _invoke(words: list[str], settings: Settings) -> int:
    # not Command.main(): it turns a broken pipe into exit code 1 and hides who was interrupted
    command = root()
    if any("\0" in word for word in words):  # no shell can pass it, a program that calls main() can; no file or name holds it
        raise UserError("an argument holds a NUL byte", hint="leave it out")
    if COMPLETION in os.environ:
        from click.shell_completion import shell_complete

        return shell_complete(command, {}, NAME, COMPLETION, os.environ[COMPLETION])
    with command.make_context(NAME, words, obj=settings) as context:
        code = command.invoke(context)
    return code if isinstance(code, int) else exits.OK


def _command_of(words: list[str]) -> str:
    """The longest command that ``words`` begin with: click does not say in which one an option went wrong."""
    command: click.Command | None = root()
    path = [NAME]
    with click.Context(root(), info_name=NAME) as context:
        for word in words:
            command = command.get_command(context, word) if isinstance(command, click.Group) else None
            if command is None:
                break
            path.append(word)
    return " ".join(path)


def _trace(settings: Settings) -> None:
    if settings.debug:
        import traceback

        output.message(traceback.format_exc().rstrip())


def _open_closed_streams() -> None:
    """With ``>&-`` Python has no sys.stdout at all: what would be written goes nowhere instead."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - stays open until the process ends
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115


def _on_sigterm() -> Any:  # noqa: ANN401 - whatever the handler was
    def terminate(_number: int, _frame: object) -> None:
        raise Terminated

    try:
        return signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # not the main thread: somebody calls us as a library
        return None


def _stdout_gone() -> int:
    # Python flushes standard output once more at exit; give it somewhere to go
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return exits.BROKEN_PIPE


if __name__ == "__main__":
    sys.exit(main())
