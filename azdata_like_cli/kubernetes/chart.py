"""Helm: the chart that this client carries, and the release ``openbdc`` of a namespace."""

from __future__ import annotations

import pathlib
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from azdata_like_cli.kubernetes.places import RELEASE
from bdc import kubectl
from bdc.contexts import Place
from bdc.errors import AuthenticationError, BdcError, ConflictError, InternalError, NotFoundError, ServiceError, UnreachableError, UserError

NUMBERED = re.compile(r"v?(\d+(?:\.\d+)*)")


def folder() -> pathlib.Path:
    """The chart: package data of an installed client, ``helm/openbdc`` of a checkout."""
    package = pathlib.Path(__file__).parent.parent
    for found in (package / "chart", package.parent / "helm" / "openbdc"):
        if (found / "Chart.yaml").is_file():
            return found
    raise InternalError("this client carries no chart", where=str(package), hint="install the distribution openbdc again")


def install(place: Place, cluster: str, values: Sequence[pathlib.Path]) -> None:
    """Install the controller, or bring it to this client's chart; values of before hold unless they are given anew. UserError where a newer
    one is installed.

    Helm itself does not wait (its end of waiting says nothing but "deadline exceeded"): ``following.controller_ready`` does, with reasons.
    """
    there = kubectl.read(place, f"/apis/apps/v1/namespaces/{place.namespace}/deployments/{RELEASE}")
    if there is not None and is_older(version(), than=_version(there)):
        raise UserError(
            f"this client installs OpenBDC {version()}, and the namespace runs {_version(there)}: an older one does not take it over",
            where=f"release {RELEASE}, namespace {place.namespace}",
            hint="use the newer client; 'bdc login NAME --kubernetes' needs no installation",
        )
    files = [word for file in values for word in ("--values", str(file))]
    words = ["upgrade", "--install", RELEASE, str(folder()), "--reset-then-reuse-values", "--history-max", "10"]
    _helm(place, [*words, "--set-string", f"clusterName={cluster}", *files])


@dataclass(frozen=True)
class Release:
    """What is installed in a namespace. ``version``: of the chart's product; ``image``: the controller's whole reference."""

    name: str
    version: str
    image: str


def release(place: Place) -> Release:
    """As the controller's Deployment says it; NotFoundError where Helm installed none."""
    found = kubectl.read(place, f"/apis/apps/v1/namespaces/{place.namespace}/deployments/{RELEASE}")
    metadata: Any = (found or {}).get("metadata") or {}
    name = (metadata.get("annotations") or {}).get("meta.helm.sh/release-name")
    if found is None or name is None:
        hint = "bdc create installs it" if found is None else "whoever installed it upgrades it; then bdc upgrade --keep-controller"
        raise NotFoundError("no controller was installed with helm here", where=f"namespace {place.namespace}", hint=hint)
    spec: Any = found["spec"]
    return Release(str(name), _version(found), str(spec["template"]["spec"]["containers"][0]["image"]))


def _version(deployment: dict[str, object]) -> str:
    metadata: Any = deployment["metadata"]
    return str((metadata.get("labels") or {}).get("app.kubernetes.io/version", ""))


def version() -> str:
    """Of the product that this client's chart installs."""
    import yaml

    return str(yaml.safe_load((folder() / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"])


def is_older(version: str, than: str) -> bool:
    """Whether both are numbers (``0.2.1``), and the first the smaller one."""
    found = [NUMBERED.match(one) for one in (version, than)]
    numbers = [[int(part) for part in one[1].split(".")] for one in found if one]
    longest = max((len(one) for one in numbers), default=0)
    padded = [one + [0] * (longest - len(one)) for one in numbers]
    return len(padded) == 2 and padded[0] < padded[1]


def upgrade(place: Place, name: str, tag: str | None, registry: str | None) -> None:
    """Bring the release to this client's chart, with the controller's image of that tag (None: the chart's own); other values hold."""
    images = ["--set-string", f"image.tag={tag or ''},image.digest="]
    images += ["--set-string", f"image.registry={registry}"] if registry else []
    _helm(place, ["upgrade", name, str(folder()), "--reset-then-reuse-values", "--history-max", "10", *images])


def rollback(place: Place, name: str) -> None:
    """To what was installed before the last upgrade."""
    _helm(place, ["rollback", name])


def uninstall(place: Place) -> None:
    """Remove the controller; no error when it is not there."""
    _helm(place, ["uninstall", RELEASE, "--ignore-not-found", "--wait", "--timeout", "120s"])


def _helm(place: Place, words: Sequence[str]) -> str:
    chosen = ["--kube-context", place.context] if place.context else []
    command = [kubectl.program("helm"), *words, *chosen, "--namespace", place.namespace]
    # a session of its own: Ctrl-C must not leave a release that is neither there nor not; it takes a second or two
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, start_new_session=True)
    if done.returncode != 0:
        raise _failure(place, done.stderr)
    return done.stdout


def _failure(place: Place, stderr: str) -> BdcError:
    lines = [line for line in stderr.strip().splitlines() if not line.startswith(("WARNING", "level=", "coalesce"))]
    text = "\n".join(lines).removeprefix("Error: ") or "helm failed without a word"
    where = f"release {RELEASE}, namespace {place.namespace}"
    if "specifications of the schema" in text or "execution error at" in text:
        why = "\n".join(line for line in text.splitlines()[1:] if line.strip()) or text
        return UserError(
            "the chart refuses these values", where=where, why=why, hint="docs/reference/chart.md lists what there is", code="values"
        )
    if "another operation" in text:
        hint = f"when nobody else is at it: helm rollback {RELEASE} --namespace {place.namespace}"
        return ConflictError("another helm works on this release, or was killed while it did", where=where, hint=hint)
    found = kubectl.failure(place, text)
    if isinstance(found, UnreachableError | AuthenticationError):
        return found
    kind = UserError if "forbidden" in text or "no such file" in text else ServiceError
    return kind("helm could not do it", where=where, why=text[:1500])
