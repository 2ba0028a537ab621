"""Cluster specs: ``config init|show|set|validate|list``; the work is done by the cluster distribution's ``controller.config``."""

from __future__ import annotations

import pathlib

import click

from azdata_like_cli import local
from azdata_like_cli.answers import Records, Report, Value
from azdata_like_cli.command import BdcGroup, argument, legacy_option
from azdata_like_cli.passwords import standard_input
from bdc.errors import ConflictError
from bdc.names import cluster_name


@click.group("config", cls=BdcGroup)
def config() -> None:
    """Write, read and check cluster specs (bdc.yaml)."""


def _file(file: str | None) -> str:
    """The spec's file; a folder stands for the bdc.yaml in it."""
    chosen = file or "bdc.yaml"
    return str(pathlib.Path(chosen) / "bdc.yaml") if chosen != "-" and pathlib.Path(chosen).is_dir() else chosen


@config.command(
    "init",
    examples=[
        "bdc config init",
        "bdc config init sales.yaml --name sales --profile kubernetes",
        "bdc config init --source local --path custom",
    ],
)
@click.argument("file", type=click.Path(), required=False)
@click.option(
    "--profile", "--source", "-s", "source", default="local", show_default=True, metavar="PROFILE", help="The profile to begin with."
)
@click.option("--path", "-p", "--target", "-t", "path", type=click.Path(), metavar="FOLDER", help="Write FOLDER/bdc.yaml instead of FILE.")
@click.option("--name", "-n", default="demo", show_default=True, help="The cluster's name.")
@click.option("--force", "-f", is_flag=True, help="Replace the file if it is there.")
@legacy_option("--accept-eula", "-a")
def init(file: str | None, source: str, path: str | None, name: str, force: bool) -> Value:
    """Write a commented spec to FILE (default: bdc.yaml; `-`: standard output), to be changed and given to `bdc create --spec`."""
    target = file or "bdc.yaml"
    if path is not None:
        pathlib.Path(path).mkdir(parents=True, exist_ok=True)
        target = str(pathlib.Path(path) / "bdc.yaml")
    arguments = ["init", "--profile", source, "--name", cluster_name(name)]
    if target == "-":
        text = str(local.config(*arguments))
        return Value(data=text, sentence=text.rstrip())
    result = local.config(*arguments, "--file", target, *(["--force"] if force else []))
    return Value(data=result, sentence=f"Wrote {target}. Next: change it, then 'bdc create --spec {target}'.")


@config.command(
    "import", examples=["bdc config import custom/bdc.json custom/control.json", "bdc config import bdc.json --profile kubernetes --file -"]
)
@click.argument("bdc_json", type=click.Path())
@click.argument("control_json", type=click.Path(), required=False)
@click.option("--profile", "-s", default="local", show_default=True, metavar="PROFILE", help="The profile to begin with.")
@click.option("--name", "-n", help="The cluster's name. Default: that of bdc.json.")
@click.option(
    "--file", "-f", "target", type=click.Path(), default="bdc.yaml", show_default=True, help="Where to write; `-`: standard output."
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def import_spec(bdc_json: str, control_json: str | None, profile: str, name: str | None, target: str, force: bool) -> Value | Report:
    """Make a spec from bdc.json and control.json of Big Data Clusters, and name everything that could not be carried over, with why."""
    arguments = ["import", bdc_json, *(["--control", control_json] if control_json else []), "--profile", profile]
    found = local.config(*arguments, *(["--name", name] if name else []))
    assert isinstance(found, dict)
    text = str(found["text"])
    if target == "-":
        return Value(data=found, sentence=text.rstrip())
    path = pathlib.Path(target)
    if path.exists() and not force:
        raise ConflictError(f"{path} exists already", where=str(path), hint="choose another --file, or --force to replace it")
    path.write_text(text, encoding="utf-8")
    carried = [{"key": key, "path": field, "value": value} for key, field, value in found["carried"]]
    left = [{"key": key, "value": value, "why": why} for key, value, why in found["left"]]
    blocks = [
        (f"Carried over into {path}", Records(rows=carried, columns={"key": "From", "path": "To", "value": "Value"})),
        ("Not carried over", Records(rows=left, columns={"key": "Key", "value": "Value", "why": "Why"})),
    ]
    return Report(data={"file": str(path), "carried": carried, "left": left}, blocks=blocks)


@config.command("show", examples=["bdc config show", "bdc config show bdc.yaml spec.pools.storage", "bdc config show -o yaml"])
@argument("file", "--path", "-p", "--config-file", "-c", type=click.Path(), needed=False)
@argument("field", "--json-path", "-j", needed=False)
def show_spec(file: str | None, field: str | None) -> object:
    """Show a spec with all defaults filled in, or the value of one FIELD such as spec.ports.base."""
    wanted = (field or "").removeprefix("$.")
    result = local.config("show", _file(file), *([wanted] if wanted else []))
    if isinstance(result, dict):
        import yaml

        return Value(data=result, sentence=yaml.safe_dump(result, sort_keys=False, allow_unicode=True).rstrip())
    return Value(data=result)


@config.command("set", examples=["bdc config set bdc.yaml spec.ports.base=2000", "bdc config set bdc.yaml spec.pools.storage.replicas=3"])
@click.argument("words", nargs=-1, metavar="[FILE] FIELD=VALUE...")
@click.option("--path", "-p", "--config-file", "-c", "path", type=click.Path(), hidden=True, help="The original's way to give FILE.")
@click.option("--set", "pairs", multiple=True, hidden=True, help="FIELD=VALUE; what `config replace -j` of the original becomes.")
def set_values(words: tuple[str, ...], pairs: tuple[str, ...], path: str | None) -> Value:
    """Change fields of a spec in place; comments stay, and nothing is written unless the result is valid."""
    file = path
    assignments = [*words, *pairs]
    if words and "=" not in words[0]:
        file, assignments = words[0], [*words[1:], *pairs]
    if not assignments:
        raise click.UsageError("Missing argument 'FIELD=VALUE...'.")
    target = _file(file)
    result = local.config("set", target, *assignments)
    return Value(data=result, sentence=f"{target} is changed.")


@config.command("validate", examples=["bdc config validate", "bdc config validate sales.yaml"])
@argument("file", "--path", "-p", "--config-file", "-c", type=click.Path(), needed=False)
def validate(file: str | None) -> Value:
    """Check a spec: every problem with its line, and nothing else happens."""
    target = _file(file)
    text = standard_input().read() if target == "-" else None
    return Value(data=local.config("validate", target, text=text), sentence=f"{target} is valid.")


@config.command("list", examples=["bdc config list"])
def list_profiles() -> Records:
    """List the profiles that a spec can begin with."""
    found = local.config("profiles")
    names = found if isinstance(found, list) else []
    return Records(rows=[{"profile": name} for name in names], columns={"profile": "Profile"})
