"""Asks a process for its metrics as the controller does."""

from __future__ import annotations

import pathlib
import socket

from prometheus_client.parser import text_string_to_metric_families

from pools.metrics_listener import local_address

Told = dict[tuple[str, tuple[str, ...]], float]
"""Name and values of the labels, in the order of the labels' names → what is told."""


def scraped(folder: pathlib.Path) -> Told:
    """From the socket of the process whose ``{run}`` that folder is."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(local_address(str(folder)))
        connection.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        told = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")[2].decode()
    families = text_string_to_metric_families(told)
    return {(sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples}
