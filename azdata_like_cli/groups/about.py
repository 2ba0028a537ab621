"""``version`` and ``completion``."""

from __future__ import annotations

import click

from azdata_like_cli.answers import Lines
from azdata_like_cli.command import BdcCommand, Settings, pass_settings


@click.command("version", cls=BdcCommand, examples=["bdc version", "bdc version -o tsv -q client"])
@pass_settings
def version(settings: Settings) -> dict[str, object]:
    """Show the version of this client and, where it is installed, of the cluster distribution."""
    import platform
    from importlib import metadata

    found: dict[str, object] = {"client": metadata.version("openbdc")}
    try:
        found["cluster"] = metadata.version("openbdc-cluster")
    except metadata.PackageNotFoundError:
        settings.say("the cluster distribution is not installed here")
        found["cluster"] = None
    return {**found, "python": platform.python_version()}


@click.command(
    "completion",
    cls=BdcCommand,
    examples=["bdc completion bash > ~/.local/share/bash-completion/completions/bdc", "bdc completion zsh", "bdc completion fish"],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> Lines:
    """Print the completion script for SHELL; where to put it is in its shell's manual, for bash in the example."""
    from click.shell_completion import get_completion_class

    from azdata_like_cli.tree import root

    kind = get_completion_class(shell)
    assert kind is not None
    return Lines(lines=kind(root(), {}, "bdc", "_BDC_COMPLETE").source().splitlines())
