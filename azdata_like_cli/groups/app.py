"""Apps: ``app init|template|test`` here, ``app create|update|list|describe|run|logs|delete`` at the cluster, and those of ``appswitches``
and ``apphistory``."""

from __future__ import annotations

import pathlib
import statistics
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import click

from azdata_like_cli import appinputs, appmodels, output
from azdata_like_cli.answers import Lines, Records, Value
from azdata_like_cli.apphistory import history
from azdata_like_cli.appnames import LIVE, named
from azdata_like_cli.appsecrets import secret
from azdata_like_cli.appswitches import COMMANDS
from azdata_like_cli.command import BdcGroup, Settings, argument, confirm, pass_settings
from azdata_like_cli.groups.session import when
from bdc import publishing
from bdc.apps import Apps
from bdc.errors import ServiceError

FOLDER = click.Path(exists=True, file_okay=False, path_type=pathlib.Path)
NEW_FOLDER = click.Path(file_okay=False, path_type=pathlib.Path)

if TYPE_CHECKING:
    from apps.package import Package

Json = dict[str, object]
PERIOD = 0.2
COLUMNS = {"name": "Name", "version": "Version", "state": "State", "live": "Live", "runtime": "Runtime", "reason": "Reason"}
LOG_LINES = 15


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


@app.command(
    "init",
    examples=[
        "bdc app init --template python --name add",
        "bdc app init -t onnx -n house -v v1 --model house.onnx",
        "bdc app init -t mlflow --model ./model",
        "bdc app init -t mlflow -n house --model models:/house@candidate",
    ],
)
@click.option("--template", "-t", "chosen", default="python", show_default=True, help="What to begin with: `bdc app template list`.")
@click.option("--name", "-n", default="app", show_default=True, help="Name of the app.")
@click.option("--version", "-v", "version", default="v1", show_default=True, help="Its version.")
@click.option("--destination", "-d", type=NEW_FOLDER, help="The folder to write. Default: one with the app's name.")
@click.option("--model", help="A model of yours: a file for onnx, a folder for mlflow; or models:/NAME@ALIAS of MLflow.")
@pass_settings
def init(settings: Settings, chosen: str, name: str, version: str, destination: pathlib.Path | None, model: str | None) -> Value:
    """Write a folder with a spec.yaml and what belongs to it.

    --model models:/NAME@ALIAS or models:/NAME/VERSION fetches that version from the MLflow server of MLFLOW_TRACKING_URI, with
    MLFLOW_TRACKING_TOKEN; without that address from the cluster's own, as who is logged in.
    """
    from apps import templates

    folder = destination or pathlib.Path(name)
    with appmodels.given(settings, chosen, model) as found, publishing.told():
        files = templates.init(folder, chosen, name, version, found.path)
    return Value(
        data={"folder": str(folder), "files": list(files), **({"model": found.label} if found.label else {})},
        sentence=f"{folder} holds {', '.join(files)}{found.words}. Next: bdc app test --local {folder}",
    )


@app.command(
    "test",
    context_settings=appinputs.EXTRA,
    examples=["bdc app test --local add --inputs x=1,y=2", "bdc app test --local ./house --inputs @first.json --calls 1000"],
)
@argument("folder", "--spec", "-s", type=FOLDER)
@click.option("--local", is_flag=True, help="Run it on this machine: so far the only way.")
@click.option("--inputs", "-i", "given", multiple=True, metavar="NAME=VALUE,…", help="The inputs, or @FILE with a JSON object.")
@click.option("--calls", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How often to call it.")
@pass_settings
def test(settings: Settings, folder: pathlib.Path, local: bool, given: tuple[str, ...], calls: int) -> Value:
    """Run the app in FOLDER here, as the cluster would: packed, in a process of its own with the limits of its spec.

    Prints its outputs and how long calls took. Without --inputs those of its sample.json; without that each number is 1, each text empty.
    """
    appinputs.refuse_extra(click.get_current_context())
    from apps import local as locally
    from apps.reading import load
    from apps.sample import sample

    with publishing.told():
        spec, _ = load(folder)
        values = appinputs.inputs(given, spec.inputs) if given else sample(folder, spec.inputs)
        values = {name: EMPTY[kind] for name, kind in spec.inputs.items()} if values is None else values
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


@app.command("create", examples=["bdc app create -s ./house", "bdc app create --no-wait house"])
@argument("folder", "--spec", "-s", type=FOLDER)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is ready.")
@click.option("--timeout", type=click.FloatRange(1, 3600), default=600.0, show_default=True, help="Seconds to wait.")
@pass_settings
def create(settings: Settings, folder: pathlib.Path, wait: bool, timeout: float) -> Value:
    """Create the app in FOLDER, which holds its spec.yaml: a new version, with an address of its own."""
    apps = settings.session().apps
    package = _packed(settings, folder)
    return _followed(apps, apps.create(package.archive), package.digest, timeout if wait else None)


@app.command("update", examples=["bdc app update -s ./house --yes"])
@argument("folder", "--spec", "-s", type=FOLDER)
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is ready.")
@click.option("--timeout", type=click.FloatRange(1, 3600), default=600.0, show_default=True, help="Seconds to wait.")
@pass_settings
def update(settings: Settings, folder: pathlib.Path, yes: bool, wait: bool, timeout: float) -> Value:
    """Put what is in FOLDER in the place of a version that is there. The old one answers until the new one is ready."""
    apps = settings.session().apps
    package = _packed(settings, folder)
    if not yes:
        confirm(f"Replace the version that {folder}/spec.yaml names?")
    return _followed(apps, apps.update(package.archive), package.digest, timeout if wait else None)


def _packed(settings: Settings, folder: pathlib.Path) -> Package:
    """After a look at all that can be found wrong here."""
    made = publishing.packed(folder)
    settings.say(f"package {made.digest}: {', '.join(made.files)}, {len(made.archive)} bytes")
    return made


def _followed(apps: Apps, found: Json, digest: str, timeout: float | None) -> Value:
    """Until it is ready (None: at once); ServiceError with its last lines when it fails, or takes too long."""
    name, version, told = str(found["name"]), str(found["version"]), ""
    deadline = time.monotonic() + (timeout or 0.0)
    while timeout is not None and not (found["state"] in ("Ready", "Error") and found["settled"]):
        if found["reason"] != told:
            told = str(found["reason"])
            output.message(f"{name}@{version}: {found['state']}: {told}")
        if time.monotonic() > deadline:
            raise ServiceError(f"{name}@{version} is not ready yet", where=name, why=told, hint="bdc app list")
        time.sleep(PERIOD)
        found = apps.describe(name, version)
    if timeout is not None and (found["state"] == "Error" or digest != found["digest"]):
        lines = "\n".join(f"    {line}" for line in apps.log(name, version, LOG_LINES))
        raise ServiceError(
            f"{name}@{version} can't be started", where=name, why=f"{found['reason']}\nlast lines of its log:\n{lines}",
            hint=f"bdc app logs {name}@{version}",
        )  # fmt: skip
    links = cast("dict[str, str]", found["links"])
    live = f"; it is {name}@live" if found.get("percent") == 100 else ""
    return Value(data=found, sentence=f"{name}@{version} is {found['state']}: {links['app']}{live}")


@app.command("list", examples=["bdc app list", "bdc app list -n house -o json"])
@click.option("--name", "-n", help="Only the versions of this app.")
@click.option("--version", "-v", "version", help="Only this version.")
@pass_settings
def list_apps(settings: Settings, name: str | None, version: str | None) -> Records:
    """List the apps, their versions and how they are."""
    rows = [
        {**found, "live": f"{found['percent']} %" if found.get("percent") else ""}
        for found in settings.session().apps.list()
        if name in (None, found["name"]) and version in (None, found["version"])
    ]  # fmt: skip
    if not rows:
        output.message(_nothing(name, version))
    return Records(rows=rows, columns=COLUMNS)


def _nothing(name: str | None, version: str | None) -> str:
    if name is None and version is None:
        return "There are no apps yet; 'bdc app init' begins one."
    asked = f"app {name}" if version is None else f"version {version} of {name or 'any app'}"
    return f"There is no {asked}; 'bdc app list' shows what there is."


@app.command("describe", examples=["bdc app describe house@live", "bdc app describe -n house -v v1 -o json"])
@named(default=LIVE)
@pass_settings
def describe(settings: Settings, name: str, version: str) -> Value:
    """Show one version: inputs, outputs, state, addresses, counts."""
    found = settings.session().apps.describe(name, version)
    times = {name: when(float(str(found[name]))) for name in ("created_at", "since")}
    return Value(data={**found, **times})


@app.command(
    "run",
    context_settings=appinputs.EXTRA,
    examples=[
        "bdc app run add@v1 --inputs x=1,y=2",
        "bdc app run add@live -i x=1,y=2",
        "bdc app run -n house -v v1 --inputs @first.json -o json",
    ],
)
@named(default=LIVE)
@click.option("--inputs", "-i", "given", multiple=True, metavar="NAME=VALUE,…", help="The inputs, or @FILE with a JSON object.")
@pass_settings
def run(settings: Settings, name: str, version: str, given: tuple[str, ...]) -> Value:
    """Call a version of an app; without a version the live one."""
    appinputs.refuse_extra(click.get_current_context())
    apps = settings.session().apps
    defined = cast("list[Mapping[str, str]]", apps.describe(name, version)["input_param_defs"])
    kinds = {entry["name"]: entry["type"] for entry in defined}
    found = apps.run(name, version, appinputs.inputs(given, kinds))
    outputs = cast("dict[str, object]", found["outputParameters"])
    if found["consoleOutput"]:
        output.message(str(found["consoleOutput"]).rstrip("\n"))
    return Value(data=found, sentence="\n".join(f"{key} = {appinputs.shown(value)}" for key, value in outputs.items()))


@app.command("logs", examples=["bdc app logs house@v1 --lines 20", "bdc app logs house@live --predictions"])
@named(default=LIVE)
@click.option("--lines", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many lines.")
@click.option("--predictions", is_flag=True, help="What it was asked and answered, a JSON object for each call, if its spec keeps them.")
@pass_settings
def logs(settings: Settings, name: str, version: str, lines: int, predictions: bool) -> Lines:
    """Show what a version wrote, and what became of it."""
    return Lines(lines=settings.session().apps.log(name, version, lines, predictions=predictions))


for _command in (history, *COMMANDS):
    app.add_command(_command)
app.add_command(secret)


@app.command("delete", examples=["bdc app delete house@v1"])
@named(default=None)
@click.option("--live", is_flag=True, help="Also when calls of NAME@live go to it: they fail then, if it is the live one.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@pass_settings
def delete(settings: Settings, name: str, version: str, yes: bool, live: bool) -> Value:
    """Delete a version of an app; calls under way end first.

    One that calls of NAME@live go to is kept, unless --live is given, or it is the app's only one and you never promoted it.
    """
    apps = settings.session().apps
    if not yes:
        confirm(f"Delete {name}@{version}?")
    apps.delete(name, version, live=live)
    return Value(data={"deleted": f"{name}@{version}"}, sentence=f"{name}@{version} is deleted.")
