"""What all commands share: the options that each accepts, examples, and that a command *returns* data, which is printed here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from azdata_like_cli import exits, output
from azdata_like_cli.answers import Answer
from bdc import contexts
from bdc.errors import UserError

if TYPE_CHECKING:
    from bdc.session import Session

FORMATS = ("table", "json", "yaml", "tsv")
OLD = "azdata_like_cli.old."
Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass
class Settings:
    """What the options of every command were set to."""

    output: str = "table"
    query: str | None = None
    debug: bool = False
    verbose: bool = False
    context: str | None = None

    def session(self) -> Session:
        """The session of ``--context`` or of the active context; nothing is sent yet. It is closed when the command is over."""
        from bdc.session import Session  # brings http.client; --help does without

        session = Session(contexts.load().find(self.context))
        running = click.get_current_context(silent=True)
        if running is not None:
            running.call_on_close(session.close)
        return session

    def say(self, text: str) -> None:
        """A message for ``--verbose``, on standard error."""
        if self.verbose or self.debug:
            output.message(text)


def _store(context: click.Context, parameter: click.Parameter, value: object) -> None:
    # before the command or after it, the option sets the same field; the default of one place must not undo the other
    assert parameter.name is not None
    source = context.get_parameter_source(parameter.name)
    if source is not None and source.name != "DEFAULT":
        setattr(context.find_object(Settings), parameter.name, value)


def shared_options(taken: Iterable[str] = ()) -> list[click.Option]:
    """The options of every command; ``taken``: option strings that the command uses for something else."""
    declared: list[tuple[list[str], dict[str, Any]]] = [
        (["--output", "-o"], {"type": click.Choice(FORMATS), "default": "table", "help": "How to print the result (default: table)."}),
        (["--query", "-q"], {"metavar": "JMESPATH", "help": "Pick from the result with a JMESPath expression."}),
        (["--context"], {"metavar": "NAME", "help": "Use this context instead of the active one."}),
        (["--verbose"], {"is_flag": True, "help": "Say on standard error what is done."}),
        (["--debug"], {"is_flag": True, "help": "Show where an error came from."}),
    ]
    used = set(taken)
    options = []
    for names, settings in declared:
        kept = [name for name in names if name not in used]
        if kept:
            options.append(click.Option(kept, expose_value=False, callback=_store, **settings))
    return options


class BdcCommand(click.Command):
    """A command with the shared options and ``examples``. What its function returns is printed; see ``output.write``."""

    def __init__(self, *args: Any, examples: Iterable[str] = (), **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.params.extend(shared_options(name for parameter in self.params for name in parameter.opts))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, then let an argument's old spelling as an option stand in for the argument."""
        rest = super().parse_args(ctx, args)
        for parameter in self.params:
            if isinstance(parameter, NamedArgument) and parameter.name and ctx.params.get(parameter.name) is None:
                value = ctx.meta.get(OLD + parameter.name)
                if value is None and parameter.needed and not ctx.resilient_parsing:
                    raise click.MissingParameter(ctx=ctx, param=parameter)
                ctx.params[parameter.name] = value
        return rest

    def invoke(self, ctx: click.Context) -> int:
        """Run, print, and give the exit code."""
        settings = settings_of(ctx)
        if settings.query is not None:
            output.check_query(settings.query)
        result = super().invoke(ctx)
        output.write(result, settings.output, settings.query)
        return result.exit_code if isinstance(result, Answer) else exits.OK

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, below the options."""
        if self.examples:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {example}\n" for example in self.examples))


class BdcGroup(click.Group):
    """A group of such commands."""

    command_class = BdcCommand
    group_class = type

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order they were written, which is the order of use."""
        return list(self.commands)


def settings_of(ctx: click.Context) -> Settings:
    """The settings of this run."""
    found = ctx.find_object(Settings)
    assert found is not None
    return found


pass_settings = click.make_pass_decorator(Settings)


class NamedArgument(click.Argument):
    """An argument that the original took as an option; ``needed``: one of both must be there."""

    def __init__(self, *args: Any, needed: bool = True, **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        super().__init__(*args, **{**kwargs, "required": False})
        self.needed = needed

    def make_metavar(self, ctx: click.Context) -> str:
        """``NAME`` when it is needed, ``[NAME]`` when not, as click writes its own."""
        name = self.metavar or (self.name or "").upper()
        return name if self.needed else f"[{name}]"


def argument(name: str, *old: str, needed: bool = True, **settings: Any) -> Callable[[Function], Function]:  # noqa: ANN401 - click's own
    """An argument that may also be given as one of the options ``old``, as in the original; these are hidden."""

    def store(context: click.Context, _parameter: click.Parameter, value: object) -> None:
        if value is not None:
            context.meta[OLD + name] = value

    def decorate(function: Function) -> Function:
        if old:
            kind = {"type": settings["type"]} if "type" in settings else {}
            text = f"The original's way to give {name.upper()}."
            option = click.option(f"old_{name}", *old, hidden=True, expose_value=False, callback=store, help=text, **kind)
            function = option(function)
        return click.argument(name, cls=NamedArgument, needed=needed, **settings)(function)

    return decorate


def confirm(question: str) -> None:
    """Ask for a yes; anything else ends the command. UserError when nobody can be asked."""
    if sys.stdin is None:
        raise UserError("standard input is closed, so nobody can be asked", hint="--yes answers beforehand")
    if not click.confirm(question, err=True):
        raise UserError("not confirmed; nothing was done", code="not_confirmed")


def legacy_option(*names: str, is_flag: bool = False) -> Callable[[Function], Function]:
    """An option of the original that means nothing here (licence terms, …): accepted and ignored, so that old scripts run."""
    return click.option(*names, hidden=True, expose_value=False, is_flag=is_flag, help="Accepted for old scripts; has no effect.")
