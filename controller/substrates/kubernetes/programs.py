"""What ``{python}``, ``{program:…}`` and ``{classpath:…}`` are in the image of each pool (images/README.md), which image that is, and
whom it runs as."""

from __future__ import annotations

from dataclasses import dataclass

from controller.errors import SubstrateError
from controller.spec.kubernetes import Images
from pools.workload import PoolName

PYTHON = "/opt/openbdc/bin/python"
CLASSPATHS = {"hadoop": "/opt/hadoop/*"}
POSTGRESQL = ("postgres", "initdb", "pg_isready", "psql")
SPARK = {
    "java": "/opt/openbdc/java/bin/java",
    "spark-home": "/opt/spark/home",
    "spark-python": "/opt/spark/bin/python",
}
PROGRAMS: dict[PoolName, dict[str, str]] = {
    "master": {name: f"/usr/lib/postgresql/18/bin/{name}" for name in POSTGRESQL},
    "compute": {name: f"/opt/openbdc/postgresql/bin/{name}" for name in POSTGRESQL},
    "storage": SPARK,
}


@dataclass(frozen=True)
class Image:
    """``name``: below the registry; ``tag``: None for the product's version; ``user``: uid and gid."""

    name: str
    tag: str | None = None
    user: int = 10001


IMAGES: dict[PoolName, Image] = {
    "control": Image("openbdc/controller"),
    "master": Image("library/postgres", "18", 999),
    "compute": Image("openbdc/compute"),
    "data": Image("openbdc/data"),
    "storage": Image("openbdc/storage"),
    "app": Image("openbdc/app"),
    "gateway": Image("openbdc/controller"),
}
SAME: dict[PoolName, str] = {"gateway": "control"}
"""Pool → the key of ``spec.kubernetes.images`` that says its image, where that is another one's."""


def program(pool: PoolName, name: str) -> str:
    """Path of a program in the pool's image. SubstrateError where the image does not hold it."""
    found = PROGRAMS.get(pool, {}).get(name)
    if found is None:
        raise SubstrateError(f"the image of pool {pool} holds no program {name!r}", where=pool)
    return found


def reference(pool: PoolName, images: Images, version: str) -> str:
    """The image that a pool's containers run."""
    given: str | None = getattr(images, SAME.get(pool, pool))
    image = IMAGES[pool]
    return given or f"{images.registry}/{image.name}:{image.tag or images.tag or version}"
