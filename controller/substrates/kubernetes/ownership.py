"""Whether somebody else has edited an object of ours, read from what Kubernetes itself keeps: ``metadata.managedFields``.

Each apply makes ``openbdc`` the owner of the fields of the manifest. Whoever changes one of them by another way takes it over, whoever adds
a field owns that, and whoever removes one leaves a smaller set behind. So an object is as we made it when the set of our fields has the
digest that it had after the apply, and nobody else owns a field of its spec or data. Fields that others own too, with our value, do no
harm.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.substrates.kubernetes.groups import digest
from controller.substrates.kubernetes.place import MANAGER, Json

Path = tuple[str, ...]
OF_THE_PLATFORM = frozenset({"f:secrets", "f:imagePullSecrets"})
"""Of service accounts: OpenShift and others keep them there."""
NOT_OURS = frozenset({"metadata", "status"})
"""Others may label and annotate an object; its status is Kubernetes' own."""
TEMPLATE_METADATA = ("f:spec", "f:template", "f:metadata")
"""``kubectl rollout restart`` writes here."""


def owned(manifest: Json) -> str:
    """Digest of the fields that our last apply made ours; empty where there was none."""
    fields = _ours(manifest)
    return digest(_content(fields)) if fields else ""


def foreign(manifest: Json) -> dict[str, tuple[Path, ...]]:
    """Other managers, and the paths under spec or data that they own and we don't."""
    ours = set(_leaves(_content(_ours(manifest))))
    found: dict[str, tuple[Path, ...]] = {}
    for entry in manifest["metadata"].get("managedFields", ()):
        if entry["manager"] == MANAGER or entry.get("subresource") == "status":
            continue
        paths = tuple(path for path in _leaves(_content(entry.get("fieldsV1", {}))) if path not in ours and not _ignored(path))
        if paths:
            found[entry["manager"]] = paths
    return found


def edits(manifest: Json, before: str) -> tuple[str, ...]:
    """Sentences: what somebody else did to an object whose fields had the digest ``before`` after our apply. Empty: nothing."""
    others = foreign(manifest)
    if others:
        return tuple(f"{manager} changed {', '.join(map(shown, paths[:3]))}" for manager, paths in others.items())
    return () if owned(manifest) == before else ("somebody removed or took over fields",)


def taken_back(manifest: Json, wanted: Json) -> Json | None:
    """A merge patch that gives the fields of others back: theirs are removed, ours are as in ``wanted``. None where there are none."""
    paths = [path for of_one in foreign(manifest).values() for path in of_one]
    if not paths:
        return None
    change = {name: value for name, value in wanted.items() if name not in ("apiVersion", "kind", "metadata")}
    for path in paths:
        change = _without(change, tuple(step.removeprefix("f:") for step in path))
    return change


def shown(path: Path) -> str:
    """``f:spec f:containers k:{"name":"x"} f:image`` → ``spec.containers[x].image``."""
    text = ""
    for step in path:
        if step.startswith("f:"):
            text += f".{step[2:]}"
        elif step.startswith("k:"):
            text += f"[{step[2:].split(':', 1)[-1].strip('{}').split(',')[0].strip(chr(34))}]"
    return text.removeprefix(".")


def _ours(manifest: Json) -> Json:
    entries = manifest["metadata"].get("managedFields", ())
    found = (entry for entry in entries if entry["manager"] == MANAGER and entry["operation"] == "Apply" and not entry.get("subresource"))
    return next((entry.get("fieldsV1", {}) for entry in found), {})


def _content(fields: Json) -> Json:
    return {name: below for name, below in fields.items() if name.removeprefix("f:") not in NOT_OURS}


def _leaves(fields: Json, path: Path = ()) -> Iterator[Path]:
    for name, below in fields.items():
        if below and name != ".":
            yield from _leaves(below, (*path, name))
        elif name != ".":
            yield (*path, name)


def _ignored(path: Path) -> bool:
    return path[: len(TEMPLATE_METADATA)] == TEMPLATE_METADATA or path[0] in OF_THE_PLATFORM


def _without(change: Json, path: Path) -> Json:
    """``change`` with null at ``path``, unless the path leads through a list: a merge patch replaces whole lists anyway."""
    name, rest = path[0], path[1:]
    if not rest:
        return change if name in change else {**change, name: None}
    below = change.get(name, {})
    if not isinstance(below, dict) or rest[0][:2] in ("k:", "v:"):
        return change
    return {**change, name: _without(below, rest)}
