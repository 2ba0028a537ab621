"""``bdc upgrade``: other images of the pools. The spec names them, the pass gives them to one pod group after the other; what does not come
up with them takes all of it back: the images of before are written again, and waited for.

On one machine nothing of this is used: what runs there are programs (``controller/local/upgrade.py``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from controller.errors import RequestError, SpecError
from controller.operations.applying import RefusedError, refuse
from controller.operations.document import SpecDocument
from controller.operations.engine import Engine
from controller.operations.planning import ClusterPlan, Planner
from controller.operations.record import Operation
from controller.operations.settling import NotSettledError, Settling, text_mark
from controller.spec import ClusterSpec, load_spec
from controller.spec.edit import scalar_text, set_value
from controller.versions import is_older

KIND = "upgrade"
IMAGES = "spec.kubernetes.images"
WANTED = ("tag", "registry")
"""Fields of the images that an upgrade writes."""


class ChangedError(RequestError):
    """Somebody else changed the images in the middle of an upgrade."""

    code = "conflict"
    status = 409


@dataclass(frozen=True)
class Upgrade:
    """Carries it out; ``request``: ``{"tag", "registry", "seconds"}``, all of it known; ``version``: the tag where the spec names none."""

    document: SpecDocument
    settling: Settling
    version: str

    def step(self, operation: Operation) -> Operation:
        """One step."""
        text = self.document.read()
        if "failure" in operation.memo:
            return self._back(operation, text)
        if "before" not in operation.memo:  # kept before anything is written
            return operation.at("begins", before=text)
        try:
            return self._forth(operation, text)
        except SpecError as error:
            raise ChangedError(
                f"the spec was changed in the middle of the upgrade, and is not valid: {error.message}",
                where="spec",
                hint="the last valid one is in force, with the new images; correct it (bdc apply), then bdc upgrade again",
            ) from error
        except NotSettledError as failure:
            return self._failed(operation, failure)

    def _forth(self, operation: Operation, text: str) -> Operation:
        wanted, asked = with_images(text, operation.request, self.version), operation.memo.get("asked")
        if wanted != text and asked:
            raise ChangedError(
                "somebody else changed the images of the spec in the middle of the upgrade, and theirs are in force",
                where=IMAGES,
                hint="bdc plan shows what still differs; bdc upgrade again, or bdc apply, says which images it shall be",
            )
        if wanted != text:
            self.document.write(wanted)
        if not asked:
            return operation.at("the spec names the new images", asked=text_mark(wanted), since=time.time())
        further = self.settling.taken_up(operation, text) or self.settling.settled(operation)
        if further is None:
            return operation.ended("done", f"all pools run with {named(self.settling.view.spec(), self.version)}")
        fewer = further.memo.get("left", 0) < operation.memo.get("left", 0)
        return further.at(further.phase, since=time.time()) if fewer else further  # the limit is that of each pod

    def _failed(self, operation: Operation, failure: NotSettledError) -> Operation:
        """What is not there with its new image; back, unless the images of before are those of now."""
        found = self.settling.planner.substrate.observe().find(failure.where or "")
        pool = next((one.pool for one in self.settling.planner.workloads(self.settling.view.spec()) if one.name == failure.where), None)
        reason = f"{found.state}: {found.reason}" if found is not None else failure.message
        message = f"{failure.where or 'the cluster'}{f' of pool {pool}' if pool else ''} does not come up with the new images: {reason}"
        told = {**failure.envelope(), "code": "upgrade_failed", "message": message}
        before = load_spec(str(operation.memo["before"])).spec.kubernetes.images
        if before == self.settling.view.spec().spec.kubernetes.images:
            hint = "the pools after it run as before. helm rollback openbdc brings the controller of before back, and with it their images"
            return operation.ended("failed", f"failed: {message}", {**told, "hint": hint})
        return operation.at(f"{message}: back to the images of before", failure=told, since=time.time(), culprit=None)

    def _back(self, operation: Operation, text: str) -> Operation:
        told, before = operation.memo["failure"], str(operation.memo["before"])
        try:
            kept = before if text_mark(text) == operation.memo["asked"] else with_images_of(text, before)
            if kept != text:
                self.document.write(kept)
                return operation.at(f"{told['message']}: the spec names the images of before again")
            further = self.settling.taken_up(operation, kept) or self.settling.settled(operation)
        except (NotSettledError, SpecError) as error:
            message = f"{told['message']}; and with the images of before: {error.message}"
            return operation.ended("failed", f"failed: {message}", {**told, "message": message, "hint": "bdc status --all; bdc doctor"})
        if further is not None:
            return replace(further, phase=f"goes back, as {told['where'] or 'the cluster'} does not come up: {further.phase}")
        message = f"{told['message']}; everything runs with the images of before again"
        hint = "mend that image, or what the log names; then bdc upgrade again"
        return operation.ended("failed", f"failed: {message}", {**told, "message": message, "hint": hint})


class Operated(Protocol):
    """The controller's operations (``assembly.Operating``)."""

    @property
    def planner(self) -> Planner:
        """For the plan."""
        ...

    @property
    def engine(self) -> Engine:
        """Who carries it out."""
        ...

    @property
    def image_tag(self) -> str | None:
        """Where the spec names none; None: nothing runs from images."""
        ...


def begin_upgrade(here: Operated, user: str, request: Mapping[str, object]) -> tuple[ClusterPlan, Operation]:
    """``request``: ``{"tag", "registry", "seconds"}``; no tag: the controller's own version. The plan and the operation. RefusedError for
    an older version than the one that runs, ConflictError while another operation is under way."""
    planner, version = here.planner, here.image_tag
    if version is None:
        raise RequestError(
            "what runs here are programs of this machine, no images", where="images", hint="on the machine itself: bdc upgrade"
        )
    text, images = planner.text(), planner.current().spec.kubernetes.images
    wanted = {
        "tag": request.get("tag") or version,
        "registry": request.get("registry") or images.registry,
        "seconds": request.get("seconds"),
    }
    if is_older(str(wanted["tag"]), than=images.tag or version):
        raise RefusedError(
            f"the pools run {images.tag or version}, and {wanted['tag']} is older: an upgrade does not go backwards, as what the newer one"
            " wrote need not be readable by the older one",
            where=f"{IMAGES}.tag",
            hint=f"a backup of that time: bdc restore; if you know that it is: bdc apply with images.tag: {wanted['tag']}",
        )
    plan = planner.plan(with_images(text, wanted, version))
    refuse(plan)
    return plan, here.engine.begin(KIND, user, wanted)


def with_images(text: str, wanted: Mapping[str, object], version: str) -> str:
    """``text`` as it names the wanted images; unchanged where it does, also by naming none."""
    images = load_spec(text).spec.kubernetes.images
    now = {"tag": images.tag or version, "registry": images.registry}
    for name in WANTED:
        if now[name] != wanted[name]:
            text = set_value(text, f"{IMAGES}.{name}", scalar_text(wanted[name]))
    return text


def with_images_of(text: str, before: str) -> str:
    """``text``, which others changed too, with the tag and the registry of ``before``."""
    now, then = (load_spec(one).spec.kubernetes.images.model_dump(mode="json") for one in (text, before))
    for name in WANTED:
        if now[name] != then[name]:
            text = set_value(text, f"{IMAGES}.{name}", scalar_text(then[name]))
    return text


def named(spec: ClusterSpec, version: str) -> str:
    """The images in words."""
    images = spec.spec.kubernetes.images
    own = [pool for pool in ("control", "master", "compute", "data", "storage", "app") if getattr(images, pool) is not None]
    return f"tag {images.tag or version} of {images.registry}" + (f" (but {', '.join(own)}: an image of its own)" if own else "")
