"""``python -m azdata_like_cli.reference`` renders docs/reference/cli.md from the commands themselves; ``--check`` compares."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Iterator

import click

from azdata_like_cli import exits
from azdata_like_cli.command import BdcCommand, Settings, shared_options
from azdata_like_cli.tree import root

PAGE = pathlib.Path(__file__).parent.parent / "docs" / "reference" / "cli.md"

HEAD = """# The command `bdc`

Made by `python -m azdata_like_cli.reference`; don't edit.

A command prints its result to standard output and everything else (progress, messages, errors) to standard error, so that
`-o json` gives JSON and nothing else. In a table NULL is `∅`; in TSV it is `\\N`, as PostgreSQL's COPY writes it, with a line of names for
SQL results. JSON keeps every digit of a numeric. Control characters in data are shown as escapes. Progress is a live table at a
terminal and plain lines elsewhere; `NO_COLOR` is honoured.

The spellings of the original work too: the prefix `bdc bdc …` (so that `alias azdata=bdc` runs old scripts), `status show`,
`<service> status show`, `hdfs rmr`, `config replace -j`, and options such as
`--path`, `--from-path`, `--name`, `--namespace`, `--accept-eula`.
"""

SESSION = """## Sessions and passwords

Passwords are never arguments. `bdc login` takes one from `BDC_PASSWORD` (or `AZDATA_PASSWORD`) or a prompt and does not store it. It keeps
in `contexts.json` (mode 0600, in a folder of mode 0700; a file that others can read is refused):

- the controller's token, for as long as it lives (12 hours by default);
- unless `--no-sql`: the two SCRAM keys that follow from the password and the master's salt (RFC 5802). With them libpq (18 and later)
  logs in to this master as this user without the password. They are used until the token expires and end with the password's next change;
  they are of no use at another server, and the password can't be read back from them. Whoever reads the file is you until then, as with
  the token.

`bdc sql` and everything else that talks to the master uses, in this order: `BDC_PASSWORD`, `PGPASSWORD`, the keys of the login,
`~/.pgpass`, a prompt. `bdc logout` forgets token and keys.

| variable | what |
|---|---|
| `BDC_PASSWORD`, `AZDATA_PASSWORD` | password for `create`, `login`, `sql` and the like |
| `BDC_NEW_PASSWORD` | new password for `user add`, `user passwd`, `user recover-admin` |
| `BDC_SOURCE_PASSWORD` | password at the source for `source create` |
| `BDC_USERNAME`, `AZDATA_USERNAME` | user for `create` and `login` (default `admin`) |
| `BDC_CONFIG` | folder of the contexts; default `~/.config/openbdc` |
| `BDC_HOME` | folder of this machine's clusters; default `/var/lib/openbdc` as root, else `~/.local/share/openbdc` |
| `BDC_NO_LOGIN` | set: `create` does not log in to the new cluster |
| `PGDATABASE`, `PGPASSWORD`, `PGPASSFILE` | as with every PostgreSQL client |
"""


def render() -> str:
    """The whole page."""
    parts = [HEAD, SESSION, "## Exit codes\n\n| code | meaning |\n|---|---|"]
    parts += [f"| {code} | {meaning} |" for code, meaning in exits.MEANINGS.items()]
    parts += ["\n## Options of every command\n", *_options(shared_options())]
    command = root()
    with click.Context(command, info_name="bdc", obj=Settings()) as context:
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            parts += _section(child, ("bdc", name))
    return "\n".join(parts).rstrip() + "\n"


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that can be run, with its words."""
    command = root()
    context = click.Context(command, info_name="bdc", obj=Settings())
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from _leaves(child, ("bdc", name))


def _leaves(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _leaves(child, (*words, name))
    else:
        yield words, command


def _section(command: click.Command, words: tuple[str, ...]) -> list[str]:
    level = "#" * len(words)
    title = f"\n{level} {'`' + ' '.join(words) + '`'}\n"
    text = _paragraphs(command.help or "")
    if isinstance(command, click.Group):
        parts = [title, text]
        for name, child in command.commands.items():
            parts += _section(child, (*words, name))
        return parts
    shared = {option.name for option in shared_options()}
    own = [option for option in command.params if isinstance(option, click.Option) and option.name not in shared and not option.hidden]
    with click.Context(command, info_name=" ".join(words), obj=Settings()) as context:
        usage = " ".join(piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]")
    parts = [title, f"    {' '.join(words)} {usage} [OPTIONS]".replace("  [", " ["), "", text]
    if own:
        parts += ["", *_options(own)]
    assert isinstance(command, BdcCommand)
    return [*parts, "\n```sh", *command.examples, "```"]


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _options(options: list[click.Option]) -> list[str]:
    rows = ["| option | what |", "|---|---|"]
    for option in options:
        names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
        default = f" Default: {option.default}." if option.show_default and option.default is not None else ""
        rows.append(f"| {names}{_value(option)} | {(option.help or '') + default} |")
    return rows


def _value(option: click.Option) -> str:
    """What the option takes; a ``|`` inside of a table's cell needs a backslash."""
    if option.is_flag:
        return ""
    kind = option.type
    words = (
        "\\|".join(map(str, kind.choices)) if isinstance(kind, click.Choice) else (option.metavar or kind.name.upper()).replace("|", "\\|")
    )
    return f" `{words.replace('INTEGER RANGE', 'NUMBER')}`"


if __name__ == "__main__":
    page = render()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page else 1)
    PAGE.write_text(page, encoding="utf-8")
