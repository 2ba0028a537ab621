"""The CustomResourceDefinition in the cluster: applied when the controller starts, never downgraded."""

from __future__ import annotations

import time

from controller.errors import SubstrateError
from controller.kubernetes.api import Api, ApiError, Json, path_of
from controller.log import Log
from controller.spec.crd import NAME, VERSION, VERSION_ANNOTATION, definition, product_version
from controller.versions import is_older

PATH = path_of("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, NAME)
BY_HAND = "python -m controller.config crd | kubectl apply --server-side -f -"
ESTABLISHED_SECONDS = 40.0
log = Log("definition")


class DefinitionError(SubstrateError):
    """The definition is missing, or one of another version; the message says which, the hint what to do."""

    code = "definition_unusable"


def ensure_definition(api: Api) -> str:
    """Apply ours unless a newer one is there; returns what was done, in words. DefinitionError when the resource can't be used."""
    found = _found(api)
    if found is not None and is_older(product_version(), _version(found)):
        _check_served(found)
        log.warning("the CustomResourceDefinition is newer than this controller; it stays", version=_version(found))
        return f"the CustomResourceDefinition of OpenBDC {_version(found)} stays: this controller is {product_version()}"
    try:
        api.apply(definition(), path=PATH)
    except ApiError as error:
        if error.number != 403 or found is None:
            raise DefinitionError(f"{NAME} can't be applied: {error.message}", where=NAME, hint=BY_HAND) from error
        _check_served(found)
        log.warning("the CustomResourceDefinition can't be applied; the one that is there is used", message=error.message)
        return "the CustomResourceDefinition stays: this controller may not apply it"
    _wait_until_served(api)
    return "the CustomResourceDefinition is applied"


def _found(api: Api) -> Json | None:
    try:
        return api.get(PATH)
    except ApiError as error:
        if error.number != 403:
            raise
        return None  # applying it says what is missing


def _check_served(found: Json) -> None:
    served = [entry["name"] for entry in found["spec"]["versions"] if entry.get("served")]
    if VERSION not in served:
        raise DefinitionError(
            f"{NAME} is of OpenBDC {_version(found)} and serves {', '.join(served)}; this controller is of {product_version()} and speaks"
            f" {VERSION}",
            where=NAME,
            hint="upgrade this controller (helm upgrade), or remove that definition with all clusters made by it (kubectl delete crd)",
        )


def _wait_until_served(api: Api) -> None:
    deadline = time.monotonic() + ESTABLISHED_SECONDS
    while True:
        found = api.get(PATH) or {}
        states = {entry["type"]: entry for entry in (found.get("status") or {}).get("conditions") or []}
        if states.get("Established", {}).get("status") == "True":
            return
        if time.monotonic() > deadline:
            why = "; ".join(str(entry.get("message")) for entry in states.values() if entry.get("status") == "False") or "no reason given"
            raise DefinitionError(f"{NAME} is not served yet: {why}", where=NAME, hint=f"kubectl describe crd {NAME}")
        time.sleep(0.1)


def _version(found: Json) -> str:
    return str((found["metadata"].get("annotations") or {}).get(VERSION_ANNOTATION, "0"))
