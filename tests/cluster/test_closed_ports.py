"""HDFS believes any name, so the kernel lets nobody to its ports but the cluster's own OS users, and root."""

from __future__ import annotations

import pytest

from controller.local.laying import read_spec
from controller.spec import port_numbers
from controller.substrates.local.users import user_name
from tests.cluster.closed import check_closed, hdfs_as_nobody, hdfs_ports
from tests.cluster.life import home_of
from tests.services.cluster import Stage
from tests.strangers import REFUSED, as_user, only_root

pytestmark = only_root
WEBHDFS = """
import json, sys, urllib.error, urllib.request
def ask(method, query):
    address = f"http://127.0.0.1:{sys.argv[1]}/webhdfs/v1/{query}&user.name={sys.argv[2]}"
    try:
        return urllib.request.urlopen(urllib.request.Request(address, method=method), timeout=60).status
    except urllib.error.URLError as error:
        return type(error.reason).__name__
print(json.dumps([ask("GET", "?op=LISTSTATUS"), ask("PUT", "closed-ports-test?op=MKDIRS"), ask("DELETE", "closed-ports-test?op=DELETE")]))
"""


def test_nobody_but_the_clusters_own_users_reaches_a_port(cluster: Stage) -> None:
    assert len(hdfs_ports(cluster)) == 8
    check_closed(cluster)


@pytest.mark.parametrize("user", ["nobody", "app-1"])
def test_webhdfs_does_nothing_under_whatever_name(cluster: Stage, user: str) -> None:
    ports, superuser = port_numbers(read_spec(home_of(cluster))), user_name(cluster.cluster, "storage")
    who = user if user == "nobody" else user_name(cluster.cluster, user)
    assert as_user(who, WEBHDFS, str(ports.webhdfs), superuser).stdout == f"{[REFUSED] * 3}\n".replace("'", '"')
    assert as_user(superuser, WEBHDFS, str(ports.webhdfs), superuser).stdout == "[200, 200, 200]\n"


def test_the_command_says_what_it_is_and_where_to_go(cluster: Stage) -> None:
    """A plain user of the machine with a login of the cluster."""
    said = hdfs_as_nobody(cluster, "ls", "/")
    assert "for the cluster's OS users only; you reach your files through the gateway" in said
    assert "bdc login -e" in said and "exit 1" in said and "Traceback" not in said


def test_it_is_seen_in_doctor(cluster: Stage) -> None:
    found = cluster.bdc("doctor", cluster.cluster, "--all")
    assert isinstance(found, list)
    (said,) = [one["message"] for one in found if one["check"] == "hdfs ports"]
    assert said == "HDFS's own ports are open to root and the cluster's own OS users only"
