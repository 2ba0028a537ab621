"""Routes of single settings: pending until they are applied together."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from pydantic import Field

from controller.api.access import caller_of, guarded_router
from controller.api.bodies import Body
from controller.api.operations import Begun, Seconds, operating_of
from controller.operations.applying import begin_apply
from controller.operations.settings import Setting, Settings

router = guarded_router("operations", "/api/v1/bdc/settings")


class NewSettings(Body):
    """Settings to have pending."""

    values: dict[Annotated[str, Field(max_length=300)], Annotated[str, Field(max_length=4096)]] = Field(
        min_length=1, examples=[{"pools.compute.memoryMegabytes": "2048"}]
    )
    """Path of the spec, or key of the original → value as it is written in YAML."""


class ApplySettings(Body):
    """How long it may take."""

    seconds: Seconds = 600
    """Seconds until all must be ready."""


@router.get("", summary="All settings")
def show(request: Request) -> list[Setting]:
    """Value, default, and what is pending."""
    return _settings(request).show()


@router.put("", summary="Have settings pending")
def set_settings(request: Request, body: NewSettings) -> dict[str, str]:
    """All that is pending then, path → value. Nothing changes in the cluster until they are applied."""
    return _settings(request).set(body.values)


@router.delete("", summary="Forget what is pending")
def revert(request: Request) -> dict[str, str]:
    """What was pending."""
    return _settings(request).revert()


@router.post("/apply", status_code=202, summary="Apply what is pending")
def apply(request: Request, body: ApplySettings) -> Begun:
    """As an apply of the whole spec: what is refused stays pending."""
    here, settings = operating_of(request), _settings(request)
    wanted: dict[str, object] = {"spec": settings.applied_text(), "base": None, "seconds": body.seconds}
    plan, begun = begin_apply(here.engine, here.planner, caller_of(request).name, wanted)
    settings.revert()
    return Begun(plan=plan, operation=begun)


def _settings(request: Request) -> Settings:
    here = operating_of(request)
    return Settings(here.store, here.planner)
