"""Names and addresses of this machine, for certificates of what listens on any of its addresses."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct

from controller.certificates.policy import PEOPLE, bound, machine_hosts, wanted
from controller.spec import ClusterSpec
from pools.workload import Workload

GET_ADDRESS = 0x8915
"""SIOCGIFADDR of Linux."""


def machine_hosts_of(spec: ClusterSpec, workloads: tuple[Workload, ...]) -> dict[str, tuple[str, ...]]:
    """Which certificates there are to be on this machine, and for which of its names and addresses."""
    loopback, names = machine_hosts("127.0.0.1", ()), machine_names()
    return wanted(spec, workloads, lambda name: machine_hosts(bound(spec, name), names) if name in PEOPLE else loopback)


def machine_names() -> tuple[str, ...]:
    """The host's name (short and, where it has a domain, whole) and the addresses of its interfaces; loopback is not among them."""
    host = socket.gethostname()
    names = dict.fromkeys((host, host.partition(".")[0]))
    found = [address for _, name in socket.if_nameindex() if (address := _address(name)) is not None]
    return (*names, *(address for address in found if not ipaddress.ip_address(address).is_loopback))


def _address(interface: str) -> str | None:
    """Its IPv4 address; None: it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            answer = fcntl.ioctl(asked, GET_ADDRESS, struct.pack("256s", interface.encode()[:15]))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])
