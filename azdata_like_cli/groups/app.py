"""Apps: ``app init|template|test`` here."""

from __future__ import annotations

import pathlib
import statistics

import click

from azdata_like_cli import appinputs, output
from azdata_like_cli.answers import Records, Value
from azdata_like_cli.command import BdcGroup, Settings, argument, pass_settings

FOLDER = click.Path(exists=True, file_okay=False, path_type=pathlib.Path)
NEW_FOLDER = click.Path(file_okay=False, path_type=pathlib.Path)
MODEL = click.Path(exists=True, dir_okay=False, path_type=pathlib.Path)


@click.group("app", cls=BdcGroup)
def app() -> None:
    """Apps: a script or a model as a versioned service next to the data."""


@app.group("template", cls=BdcGroup)
def template() -> None:
    """What an app can begin with."""


@template.command("list", examples=["bdc app template list"])
def list_templates() -> Records:
    """List the templates of `bdc app init`."""
    from apps.templates import TEMPLATES

    rows = [{"name": name, "description": text} for name, text in TEMPLATES.items()]
    return Records(rows=rows, columns={"name": "Name", "description": "Description"})


@app.command("init", examples=["bdc app init --template python --name add", "bdc app init -t onnx -n house -v v1 --model house.onnx"])
@click.option("--template", "-t", "chosen", default="python", show_default=True, help="What to begin with: `bdc app template list`.")
@click.option("--name", "-n", default="app", show_default=True, help="Name of the app.")
@click.option("--version", "-v", "version", default="v1", show_default=True, help="Its version.")
@click.option("--destination", "-d", type=NEW_FOLDER, help="The folder to write. Default: one with the app's name.")
@click.option("--model", type=MODEL, help="For the template onnx: a model of yours.")
def init(chosen: str, name: str, version: str, destination: pathlib.Path | None, model: pathlib.Path | None) -> Value:
    """Write a folder with a spec.yaml and what belongs to it."""
    from apps import templates

    folder = destination or pathlib.Path(name)
    with appinputs.told():
        files = templates.init(folder, chosen, name, version, model)
    return Value(
        data={"folder": str(folder), "files": list(files)},
        sentence=f"{folder} holds {', '.join(files)}. Next: bdc app test --local {folder}",
    )


@app.command(
    "test",
    examples=["bdc app test --local add --inputs x=1,y=2", "bdc app test --local ./house --inputs @first.json --calls 1000"],
)
@argument("folder", "--spec", "-s", type=FOLDER)
@click.option("--local", is_flag=True, help="Run it on this machine: so far the only way.")
@click.option("--inputs", "-i", "given", multiple=True, metavar="NAME=VALUE,…", help="The inputs, or @FILE with a JSON object.")
@click.option("--calls", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How often to call it.")
@pass_settings
def test(settings: Settings, folder: pathlib.Path, local: bool, given: tuple[str, ...], calls: int) -> Value:
    """Run the app in FOLDER here, as the cluster would: packed, in a process of its own with the limits of its spec.

    Prints its outputs and how long calls took. Without --inputs each number is 1, each text empty.
    """
    from apps import local as locally
    from apps.reading import load

    with appinputs.told():
        spec, _ = load(folder)
        values = appinputs.inputs(given, spec.inputs) if given else {name: EMPTY[kind] for name, kind in spec.inputs.items()}
        done = locally.test(folder, values, calls)
    settings.say(f"package {done.digest}")
    if done.result.console:
        output.message(done.result.console.rstrip("\n"))
    took = sorted(done.milliseconds)
    latency = {"p50_ms": statistics.median(took), "p95_ms": took[len(took) * 95 // 100]} if took else {}
    data = {
        "name": spec.name, "version": spec.version, "outputParameters": done.result.outputs, "consoleOutput": done.result.console,
        "changedFiles": list(done.result.changed), "start_seconds": round(done.start_seconds, 3), "calls": calls,
        **{key: round(value, 3) for key, value in latency.items()},
    }  # fmt: skip
    outputs = "\n".join(f"{name} = {appinputs.shown(value)}" for name, value in done.result.outputs.items())
    times = f"; {calls} calls: p50 {latency['p50_ms']:.2f} ms, p95 {latency['p95_ms']:.2f} ms" if latency else ""
    return Value(data=data, sentence=f"{outputs}\n{spec.label} was ready after {done.start_seconds:.2f} s{times}")


EMPTY: dict[str, object] = {
    "int": 1, "float": 1.0, "str": "", "bool": False, "date": "2000-01-01", "list": [], "dict": {}, "bytes": "", "dataframe": [],
}  # fmt: skip
"""What a test sends where no inputs are given."""
