"""Profiles: commented specs to start from, one YAML file each; ``bdc config init`` and ``bdc create`` fill in the name."""

from __future__ import annotations

import pathlib

from controller.errors import UnknownProfileError

FOLDER = pathlib.Path(__file__).parent
NAME_PLACE = "{{name}}"


def profile_names() -> tuple[str, ...]:
    """The profiles there are."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def render_profile(profile: str, name: str) -> str:
    """The text of a spec for the cluster ``name``. UnknownProfileError lists what there is."""
    if profile not in profile_names():
        known = ", ".join(profile_names())
        raise UnknownProfileError(f"there is no profile {profile[:60]!r}", where="--profile", hint=f"profiles: {known}")
    # a name of letters, digits and '-' needs no quotes, unless YAML takes it for something else (no, on, 1e3); JSON text is YAML text
    from controller.spec.edit import scalar_text

    return (FOLDER / f"{profile}.yaml").read_text(encoding="utf-8").replace(NAME_PLACE, scalar_text(name))
