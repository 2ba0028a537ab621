"""Who reaches HDFS's own ports of a cluster that root made."""

from __future__ import annotations

import os
import shutil

from controller.local.laying import read_spec
from controller.spec import port_numbers
from controller.substrates.local.users import user_name
from tests.cluster.life import home_of
from tests.services.cluster import Stage
from tests.strangers import OPEN, REFUSED, WHY_NOT, as_user, tried

COMMAND = """
import os, sys
os.environ["BDC_CONFIG"], sys.stderr = sys.argv[1], sys.stdout
from azdata_like_cli.main import main
print("exit", main(["hdfs", *sys.argv[2:]]))
"""


def hdfs_ports(stage: Stage) -> list[int]:
    ports = port_numbers(read_spec(home_of(stage)))
    return [ports.namenode, ports.webhdfs, *(number for numbers in ports.datanodes for number in numbers)]


def check_closed(stage: Stage) -> None:
    """Whoever has no business there is refused at every port, workers of apps among them; who has is not."""
    if WHY_NOT is not None:
        return
    ports = hdfs_ports(stage)
    strangers = ["nobody", *(user_name(stage.cluster, pool) for pool in ("app-1", "app-16", "app", "tracking", "data", "master"))]
    assert {user: tried(user, ports) for user in strangers} == {user: dict.fromkeys(ports, REFUSED) for user in strangers}
    own = ["root", *(user_name(stage.cluster, pool) for pool in ("storage", "compute", "control", "gateway"))]
    assert {user: tried(user, ports) for user in own} == {user: dict.fromkeys(ports, OPEN) for user in own}


def hdfs_as_nobody(stage: Stage, *words: str) -> str:
    """``bdc hdfs …`` of a plain user of the machine with this login of the cluster: all that it says, with its exit code."""
    config = stage.folder / "config-of-nobody"
    shutil.copytree(stage.folder / "config", config)
    try:
        for path in (config, *config.rglob("*")):
            os.chown(path, 65534, 65534)
        return as_user("nobody", COMMAND, str(config), *words, isolated=False).stdout
    finally:
        shutil.rmtree(config)
