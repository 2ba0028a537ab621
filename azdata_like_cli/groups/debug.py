"""``debug copy-logs``: everything that somebody who helps needs to see, in one file, without secrets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import click

from azdata_like_cli import local, output
from azdata_like_cli.answers import Value
from azdata_like_cli.collecting import MOST_LINES, documents, text_of, workloads, write_archive
from azdata_like_cli.command import BdcGroup, Settings, legacy_option, pass_settings
from azdata_like_cli.progress import size
from bdc import machine
from bdc.controller import Controller
from bdc.errors import BdcError, NotFoundError


@click.group("debug", cls=BdcGroup)
def debug() -> None:
    """For whoever looks for the cause of a trouble."""


@debug.command("copy-logs", examples=["bdc debug copy-logs", "bdc debug copy-logs -d /tmp --workload compute-0 --workload master-0"])
@click.option("--target-folder", "-d", type=click.Path(path_type=Path), default=".", metavar="FOLDER", help="Where to write the file.")
@click.option("--workload", "-w", "--pod", "-p", "chosen", multiple=True, metavar="NAME", help="Only the log of this one; can be repeated.")
@click.option("--lines", "-n", type=click.IntRange(1, MOST_LINES), default=MOST_LINES, show_default=True, help="Last lines of each log.")
@click.option("--skip-compress", "-sc", is_flag=True, help="A plain tar.")
@legacy_option("--namespace", "-ns")
@legacy_option("--container", "-c")
@legacy_option("--timeout", "-t")
@legacy_option("--exclude-dumps", "-ed", is_flag=True)
@legacy_option("--exclude-system-logs", is_flag=True)
@pass_settings
def copy_logs(settings: Settings, target_folder: Path, chosen: tuple[str, ...], lines: int, skip_compress: bool) -> Value:
    """Write logs, status, spec, plan, operations and the doctor's findings into one tar, with passwords, keys and tokens covered.

    With the controller down the logs of a cluster on this machine are read from its folder.
    """
    session = settings.session()
    name = f"bdc-logs-{time.strftime('%Y%m%d-%H%M%S')}"
    target_folder.mkdir(parents=True, exist_ok=True)
    path = target_folder / f"{name}.tar{'' if skip_compress else '.gz'}"
    try:
        entries = _asked(session.controller, chosen, lines)
        first = next(entries)  # whether the controller answers decides here
    except BdcError as error:
        output.message(f"the controller can't be asked ({error.message}); the logs of this machine are read")
        entries = _lying(session.context.controller, chosen, lines)
        first = next(entries)

    def named() -> Iterator[tuple[str, str]]:
        for entry, text in (first, *entries):
            yield f"{name}/{entry}", text

    count = write_archive(path, named(), not skip_compress)
    data = {"file": str(path), "entries": count, "bytes": path.stat().st_size}
    return Value(data=data, sentence=f"Wrote {path}: {count} files, {size(path.stat().st_size)}. Passwords, keys and tokens are covered.")


def _asked(controller: Controller, chosen: tuple[str, ...], lines: int) -> Iterator[tuple[str, str]]:
    """By the controller."""
    names = workloads(controller.status(everything=True))
    unknown = [name for name in chosen if name not in names]
    if unknown:
        raise NotFoundError(f"there is no workload {unknown[0]!r}", where="--workload", hint=f"there are: {', '.join(names)}")
    for file, content in documents(controller):
        yield file, text_of(content)
    yield "machine.json", text_of(_machine())
    for name in chosen or names:
        try:
            yield f"logs/{name}.log", "\n".join(controller.log(name, lines)) + "\n"
        except BdcError as error:  # it never ran
            yield f"logs/{name}.log", f"({error.message})\n"


def _lying(address: str, chosen: tuple[str, ...], lines: int) -> Iterator[tuple[str, str]]:
    """From the folder of a cluster of this machine."""
    found = next((one for one in machine.clusters() if one.controller == address), None)
    if found is None:
        raise NotFoundError("the cluster is not one of this machine, and its controller does not answer", where=address, hint="bdc list")
    yield "machine.json", text_of(_machine())
    for file in (found.folder / "bdc.yaml", found.folder / "supervisor" / "supervisor.log", *sorted((found.folder / "logs").glob("*.log"))):
        if not chosen or file.stem in chosen:
            yield f"{'logs/' if file.suffix == '.log' else ''}{file.name}", "".join(_tail(file, lines))


def _tail(file: Path, lines: int) -> list[str]:
    try:
        with file.open(encoding="utf-8", errors="replace") as text:
            return text.readlines()[-lines:]
    except OSError as error:
        return [f"({file.name} can't be read: {error.strerror})\n"]


def _machine() -> object:
    """The doctor's findings of this machine, where it has the cluster distribution."""
    try:
        return local.run("doctor", None)
    except BdcError as error:
        return {"error": error.message}
