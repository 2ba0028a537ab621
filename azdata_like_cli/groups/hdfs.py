"""Files of HDFS: ``hdfs ls|cat|cp|mkdir|mv|rm|create|chmod|chown|exists|status``, through WebHDFS under the context user's name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

import click

from azdata_like_cli.answers import Bytes, Records, Value
from azdata_like_cli.command import BdcGroup, Settings, argument, pass_settings
from azdata_like_cli.groups.session import when
from azdata_like_cli.progress import TransferProgress, size
from azdata_like_cli.transfers import copy, matches, sides
from bdc.copies import Copier
from bdc.errors import ConflictError, ForbiddenError, UserError
from bdc.paths import base_name, remote_path
from bdc.webhdfs import FileStatus, WebHdfs

COLUMNS = {
    "mode": "Mode",
    "replication": "Replicas",
    "owner": "Owner",
    "group": "Group",
    "length": "Bytes",
    "modified": "Modified",
    "path": "Path",
}


@click.group("hdfs", cls=BdcGroup)
def hdfs() -> None:
    """Files of the cluster's HDFS. Paths are absolute; the prefix hdfs: is needed in `cp` only. Patterns (*, ?, [a-z]) need quotes."""


def _record(entry: FileStatus) -> dict[str, object]:
    kind = "d" if entry.folder else "-"
    return {
        "mode": kind + "".join(_bits(int(digit, 8)) for digit in entry.permission[-3:]),
        "replication": entry.replication,
        "owner": entry.owner,
        "group": entry.group,
        "length": entry.length,
        "modified": when(entry.modified / 1000),
        "path": entry.path,
        "type": "folder" if entry.folder else "file",
        "permission": entry.permission,
    }


def _bits(digit: int) -> str:
    return "".join(letter if digit & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))


def _walk(files: WebHdfs, path: str) -> Iterator[FileStatus]:
    for entry in files.listing(path):
        yield entry
        if entry.folder:
            yield from _walk(files, entry.path)


@hdfs.command("ls", examples=["bdc hdfs ls /", "bdc hdfs ls '/demo/*.csv'", "bdc hdfs ls -R /demo", "bdc hdfs ls -d /demo"])
@argument("path", "--path")
@click.option("--recursive", "-R", is_flag=True, help="Also what is in the folders below.")
@click.option("--directory", "-d", is_flag=True, help="The folder itself, not what is in it.")
@pass_settings
def ls(settings: Settings, path: str, recursive: bool, directory: bool) -> Records:
    """List the folder or file PATH."""
    files = settings.session().files
    found = matches(files, path)
    entries: list[FileStatus] = []
    for place in found:
        status = files.status(place)
        if directory or not status.folder:
            entries.append(status)
        else:
            entries += _walk(files, place) if recursive else files.listing(place)
    return Records(rows=[_record(entry) for entry in entries], columns=COLUMNS)


@hdfs.command("cat", examples=["bdc hdfs cat /demo/house.csv", "bdc hdfs cat /demo/house.csv --offset 100 --length 50"])
@argument("path", "--path")
@click.option("--offset", type=click.IntRange(0), default=0, show_default=True, help="Begin at this byte.")
@click.option("--length", type=click.IntRange(0), help="So many bytes. Default: to the end.")
@pass_settings
def cat(settings: Settings, path: str, offset: int, length: int | None) -> Bytes:
    """Write the file PATH to standard output, byte by byte as it is."""
    files = settings.session().files
    return Bytes(blocks=chain.from_iterable(files.read(place, offset, length) for place in matches(files, path)))


@hdfs.command("create", examples=["bdc hdfs create /demo/note.txt --data 'hello'"])
@argument("path", "--path")
@click.option("--data", default="", help="What goes into it (UTF-8).")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@pass_settings
def create(settings: Settings, path: str, data: str, force: bool) -> Value:
    """Create the small text file PATH."""
    target = remote_path(path)
    settings.session().files.write(target, iter([data.encode()]), overwrite=force)
    return Value(data={"created": target}, sentence=f"{target} is there.")


@hdfs.command(
    "cp",
    examples=[
        "bdc hdfs cp house.csv hdfs:/demo/house.csv",
        "bdc hdfs cp -r hdfs:/demo ./copy",
        "bdc hdfs cp --from-path 'hdfs:/demo/*.csv' --to-path . --force",
    ],
)
@click.argument("paths", nargs=-1, metavar="FROM... TO")
@click.option("--from-path", "-f", hidden=True, help="The original's way to give FROM.")
@click.option("--to-path", "-t", hidden=True, help="The original's way to give TO.")
@click.option("--recursive", "-r", "-R", is_flag=True, help="Copy folders with all that is in them (implied by --from-path).")
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("--verify", is_flag=True, help="Read back what was written and compare SHA-256; without it, lengths are compared.")
@pass_settings
def cp(settings: Settings, /, paths: tuple[str, ...], from_path: str | None, to_path: str | None, **choices: bool) -> Value:
    """Copy files to HDFS, from HDFS, or within it; the sides in HDFS carry the prefix hdfs:.

    A file appears under its name only when it is complete; what breaks off leaves nothing. Existing files stay unless --force.
    """
    sources, target = sides(paths, from_path, to_path)
    files = settings.session().files
    progress = TransferProgress()
    recursive = choices["recursive"] or from_path is not None  # the original always copied folders
    copier = Copier(files, force=choices["force"], recursive=recursive, verify=choices["verify"], progress=progress)
    try:
        copied = copy(copier, sources, target)
    finally:
        progress.close()
    data = {"files": copied.files, "folders": copied.folders, "bytes": copied.bytes}
    return Value(data=data, sentence=f"Copied {copied.files} file{'' if copied.files == 1 else 's'}, {size(copied.bytes)}.")


@hdfs.command("mkdir", examples=["bdc hdfs mkdir /demo/raw", "bdc hdfs mkdir /demo/raw --permission 750"])
@argument("path", "--path")
@click.option("--permission", help="Octal, such as 750. Default: HDFS's own.")
@pass_settings
def mkdir(settings: Settings, path: str, permission: str | None) -> Value:
    """Make the folder PATH, and those above it."""
    target = remote_path(path)
    settings.session().files.mkdir(target, octal(permission) if permission is not None else None)
    return Value(data={"created": target}, sentence=f"{target} is there.")


@hdfs.command("mv", examples=["bdc hdfs mv /demo/a.csv /demo/b.csv", "bdc hdfs mv /demo/a.csv /archive --force"])
@argument("source", "--source-path", "-s")
@argument("target", "--target-path", "-t")
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@pass_settings
def mv(settings: Settings, source: str, target: str, force: bool) -> Value:
    """Move or rename SOURCE to TARGET (or into it, when it is a folder) within HDFS, in one step."""
    files = settings.session().files
    origin = remote_path(source)
    place = Copier(files).into(remote_path(target), base_name(origin))
    if place.startswith(origin.rstrip("/") + "/"):
        raise UserError(f"{origin} can't be moved into itself")
    files.rename(origin, place, overwrite=force)
    return Value(data={"from": origin, "to": place}, sentence=f"{origin} is {place} now.")


@hdfs.command("rm", examples=["bdc hdfs rm /demo/a.csv", "bdc hdfs rm '/demo/*.tmp'", "bdc hdfs rm -r /demo"])
@argument("path", "--path")
@click.option("--recursive", "-r", "-R", is_flag=True, help="A folder with all that is in it.")
@pass_settings
def rm(settings: Settings, path: str, recursive: bool) -> Value:
    """Remove the file or folder PATH; there is no bin to bring it back from."""
    if remote_path(path) == "/":
        raise ForbiddenError("the root of HDFS is not removed", hint="name the folders below it")
    files = settings.session().files
    found = matches(files, path)
    for place in found:
        try:
            files.delete(place, recursive=recursive)
        except ConflictError as error:
            raise ConflictError(f"{place} is a folder that is not empty", hint="add --recursive to remove all that is in it") from error
    return Value(data={"removed": found}, sentence="\n".join(f"{place} is removed." for place in found))


@hdfs.command("chmod", examples=["bdc hdfs chmod 750 /demo", "bdc hdfs chmod --permission 644 --path /demo/house.csv"])
@argument("permission", "--permission")
@argument("path", "--path")
@pass_settings
def chmod(settings: Settings, permission: str, path: str) -> Value:
    """Set the PERMISSION (octal, such as 750) of PATH."""
    files = settings.session().files
    found = matches(files, path)
    for place in found:
        files.chmod(place, octal(permission))
    return Value(data={"changed": found, "permission": permission}, sentence="\n".join(f"{place} has {permission}." for place in found))


def octal(text: str) -> str:
    """``text`` when it is a permission; UserError."""
    if not re.fullmatch(r"[01]?[0-7]{3}", text):
        raise UserError(f"{text!r} is not a permission", hint="write it octal, such as 750 or 1777")
    return text


@hdfs.command("chown", examples=["bdc hdfs chown alice /demo", "bdc hdfs chown alice:staff /demo", "bdc hdfs chown :staff /demo"])
@click.argument("words", nargs=-1, metavar="[OWNER][:GROUP] PATH")
@click.option("--owner", hidden=True, help="The original's way to give OWNER.")
@click.option("--group", hidden=True, help="The original's way to give GROUP.")
@click.option("--path", hidden=True, help="The original's way to give PATH.")
@pass_settings
def chown(settings: Settings, words: tuple[str, ...], owner: str | None, group: str | None, path: str | None) -> Value:
    """Set owner and group of PATH; only HDFS's superuser may give files away."""
    rest = list(words)
    if owner is None and group is None and rest:
        owner, _, group = rest.pop(0).partition(":")
    target = path or (rest.pop(0) if rest else None)
    if target is None or rest or not (owner or group):
        raise click.UsageError("Give [OWNER][:GROUP] and PATH.")
    files = settings.session().files
    found = matches(files, target)
    for place in found:
        files.chown(place, owner or None, group or None)
    data = {"changed": found, "owner": owner or None, "group": group or None}
    return Value(data=data, sentence="\n".join(f"{place} is changed." for place in found))


@hdfs.command("exists", examples=["bdc hdfs exists /demo/house.csv && echo yes"])
@argument("path", "--path")
@pass_settings
def exists(settings: Settings, path: str) -> Value:
    """Say whether there is anything at PATH; the exit code is 0 if so, else 1."""
    found = settings.session().files.exists(remote_path(path))
    return Value(data={"exists": found}, sentence="true" if found else "false", exit_code=0 if found else 1)


@hdfs.command("status", examples=["bdc hdfs status", "bdc hdfs status /demo"])
@argument("path", "--path", needed=False)
@pass_settings
def status(settings: Settings, path: str | None) -> dict[str, object]:
    """Show how much there is below PATH (default: /). How HDFS itself is, `bdc status --service hdfs` shows."""
    target = remote_path("/" if path is None else path)
    summary = settings.session().files.summary(target)
    used, stored = int(str(summary.get("length", 0))), int(str(summary.get("spaceConsumed", 0)))
    sizes = {"size": size(used), "stored_size": size(stored)}
    counts = {"folders": summary.get("directoryCount"), "files": summary.get("fileCount"), "bytes": used, "stored_bytes": stored}
    return {"path": target, **counts, **sizes}
