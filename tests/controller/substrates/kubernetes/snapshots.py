"""The manifests of a cluster of the default spec, as reviewed files; ``python -m tests.controller.substrates.kubernetes.snapshots`` writes
them anew: read the difference before you commit it.

What other folders decide is left out: the content of files, and the digests that follow from it.
"""

from __future__ import annotations

import copy
import pathlib
from typing import Any

import yaml

from controller.facts import Facts
from controller.profiles import render_profile
from controller.spec import ClusterSpec, load_spec, port_numbers
from controller.substrates.kubernetes.groups import Group, groups, planned
from controller.substrates.kubernetes.manifests import manifests
from controller.substrates.kubernetes.place import CONTENT, RESTART, Place
from controller.workloads import all_workloads, app_settings
from pools.app.wanted import Wanted
from pools.app.workloads import version_pods
from pools.workload import Workload

FOLDER = pathlib.Path(__file__).parent / "snapshots"
FILES = {
    "master": ("master-0", "master-setup"),
    "compute": ("compute-0",),
    "data": ("data-0",),
    "storage": ("nmnode-0", "hdfs-setup"),
    "app": ("app-proxy",),
    "version": ("app-house-v1-0a0b0c",),
    "gateway": ("gateway",),
    "tls": ("data-0", "nmnode-0"),
}
"""File → pod groups; the others are like these."""
CHANGES = {"gateway": {"gateway": "{enabled: true}"}, "tls": {"security": "{tls: {enabled: true}}"}}
"""File → what its spec differs by from the default one."""
HOUSE = Wanted("0a0b0c" + 26 * "0", "house@v1", replicas=2, poolsize=3, memory_mb=512, threads=1, seconds=30.0)
OWNER = {"apiVersion": "openbdc.dev/v1alpha1", "kind": "BigDataCluster", "name": "demo", "uid": "00000000-0000-0000-0000-000000000001"}


def spec(**changes: str) -> ClusterSpec:
    """The default spec; ``kubernetes__images="{tag: '1'}"`` sets what is at that path."""
    document = yaml.safe_load(render_profile("local", "demo"))
    for path, value in changes.items():
        *above, last = path.split("__")
        section = document["spec"]
        for key in above:
            section = section.setdefault(key, {})
        section[last] = yaml.safe_load(value)
    return load_spec(yaml.safe_dump(document))


def workloads(of: ClusterSpec) -> tuple[Workload, ...]:
    """As in a pass on Kubernetes, with one version of an app."""
    facts = Facts(sealing_key="a2V5", ticket_key="dGlja2V0", listen="0.0.0.0", controller="openbdc")
    port = port_numbers(of).app
    versions = () if port is None else (version_pods(app_settings(of, port, facts), HOUSE),)
    return planned((*all_workloads(of, facts), *versions))


def place(of: ClusterSpec, namespace: str = "bdc") -> Place:
    """Where it is, in these tests."""
    return Place(namespace, "demo", "0.1.0", OWNER, of.spec.kubernetes)


def group(name: str, of: ClusterSpec) -> Group:
    """One pod group of a cluster."""
    return next(found for found in groups(workloads(of)) if found.name == name)


def shown(manifest: dict[str, Any]) -> dict[str, Any]:
    """Without what other folders decide."""
    found = copy.deepcopy(manifest)
    template = found.get("spec", {}).get("template", {})
    for metadata in (found["metadata"], template.get("metadata", {})):
        for kept in ("annotations", "labels"):
            metadata.get(kept, {}).update(dict.fromkeys({CONTENT, RESTART} & metadata.get(kept, {}).keys(), "…"))
    if found["kind"] == "Job":
        found["metadata"]["name"] = found["metadata"]["name"].rsplit("-", 1)[0] + "-…"
    if found["kind"] == "ConfigMap":
        found["data"] = {"extension__…" if key.startswith("extension") else key: "…" for key in found["data"]}
    _without_extension(template.get("spec", {}))
    return found


def _without_extension(pod: dict[str, Any]) -> None:
    for container in pod.get("containers", ()):
        for variable in container["env"]:
            if variable["name"] == "OPENBDC_EXTENSION":
                variable["value"] = "…"
    for source in [volume["configMap"] for volume in pod.get("volumes", ()) if "configMap" in volume]:
        source["items"] = [item for item in source["items"] if not item["key"].startswith("extension")]


def rendered(name: str) -> str:
    """One file's text."""
    of = spec(**CHANGES.get(name, {}))
    found = [shown(manifest) for entry in FILES[name] for manifest in manifests(group(entry, of), place(of)).all]
    return yaml.dump_all(found, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Writes what occurs twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


if __name__ == "__main__":
    for entry in FILES:
        (FOLDER / f"{entry}.yaml").write_text(rendered(entry), encoding="utf-8")
