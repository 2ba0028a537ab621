"""How ``hdfs cp`` understands its arguments: which side is in HDFS, what a pattern means, whether a target is a folder."""

from __future__ import annotations

import pathlib
from collections import Counter
from collections.abc import Iterator, Sequence

import click

from bdc.copies import Copied, Copier, Task
from bdc.errors import NotFoundError, UserError
from bdc.paths import base_name, expand, has_magic, is_remote, remote_path
from bdc.webhdfs import WebHdfs


def matches(files: WebHdfs, text: str) -> list[str]:
    """The paths that ``text`` means: itself, or what a pattern matches (at least one). A path that exists as written is no pattern."""
    path = remote_path(text)
    if not has_magic(path) or files.exists(path):
        return [path]

    def names_in(folder: str) -> Iterator[str]:
        try:
            yield from (entry.name for entry in files.listing(folder) if entry.path != folder)
        except NotFoundError:
            return

    found = [candidate for candidate in expand(path, names_in) if has_magic(base_name(path)) or files.exists(candidate)]
    if not found:
        raise NotFoundError(f"nothing matches {path}", hint="'bdc hdfs ls /' shows what there is")
    return found


def sides(paths: Sequence[str], from_path: str | None, to_path: str | None) -> tuple[list[str], str]:
    """Sources and target from arguments or the original's options; UsageError."""
    words = [*([from_path] if from_path else []), *paths, *([to_path] if to_path else [])]
    if len(words) < 2:
        raise click.UsageError("Give what to copy and where to: FROM... TO.")
    *sources, target = words
    if not is_remote(target) and not any(map(is_remote, sources)):
        raise click.UsageError("Neither side is in HDFS: write hdfs: before the path that is.")
    return sources, target


def copy(copier: Copier, sources: Sequence[str], target: str) -> Copied:
    """Copy each source to ``target`` or, where that is a folder, into it. Several sources need a folder."""
    found = [place for text in sources for place in (_remote_sources(copier.files, text) if is_remote(text) else [text])]
    if len(found) > 1 and not _is_folder(copier.files, target):
        raise UserError(f"{target} is not a folder, and there are {len(found)} things to copy", hint="make the folder first")
    names = Counter(map(_name, found))
    if len(found) > 1 and (name := names.most_common(1)[0])[1] > 1:
        raise UserError(f"two of the things to copy are named {name[0]}", hint="copy them one after the other")
    copier.run(task for place in found for task in _files(copier, place, target))
    return copier.copied


def _remote_sources(files: WebHdfs, text: str) -> list[str]:
    return ["hdfs:" + path for path in matches(files, text)]


def _is_folder(files: WebHdfs, target: str) -> bool:
    if not is_remote(target):
        return pathlib.Path(target).is_dir()
    try:
        return files.status(remote_path(target)).folder
    except NotFoundError:
        return False


def _name(source: str) -> str:
    return base_name(remote_path(source)) if is_remote(source) else pathlib.Path(source).resolve().name


def _files(copier: Copier, source: str, target: str) -> Iterator[Task]:
    if is_remote(target):
        place = copier.into(remote_path(target), _name(source))
        return copier.copies(remote_path(source), place) if is_remote(source) else copier.uploads(pathlib.Path(source), place)
    local = pathlib.Path(target)
    path = remote_path(source)
    return copier.downloads(path, local / base_name(path) if local.is_dir() else local)
